//! The address space: the types of OPC 40100-1 that are used, the station, and a vision system for each line.
//!
//! | node of a line `LINE` | holds |
//! |---|---|
//! | `LINE` | the vision system, which results are events of |
//! | `LINE/VisionStateMachine`, `.../AutomaticModeStateMachine` | each with `CurrentState` and its `Id` |
//! | `LINE/RecipeManagement` | `InUse`, the bank as a recipe, and `BankVersion` |
//! | `LINE/ResultManagement` | methods, and `Results/Latest` with its components |
//! | `LINE/Counters` | counters of the shift |
//! | `LINE/LastPart` | the part that ended last, whatever a result is |

use opcua::nodes::{
    EventNotifier, MethodBuilder, ObjectBuilder, ObjectTypeBuilder, VariableBuilder, VariableTypeBuilder,
};
use opcua::server::address_space::AddressSpace;
use opcua::types::{
    Argument, DataTypeId, NodeId, ObjectId, ObjectTypeId, QualifiedName, VariableTypeId, Variant,
};

use super::names::{self, Spaces, State};
use super::types::{self, Types};

/// Variables that are our own, below the last result.
const RESULT: [(&str, DataTypeId); 8] = [
    ("Verdict", DataTypeId::String),
    ("Score", DataTypeId::Double),
    ("Threshold", DataTypeId::Double),
    ("ThresholdLow", DataTypeId::Double),
    ("Number", DataTypeId::Int64),
    ("Part", DataTypeId::String),
    ("Lot", DataTypeId::String),
    ("Record", DataTypeId::String),
];

/// Counters of the shift.
const COUNTERS: [(&str, DataTypeId); 6] = [
    ("Since", DataTypeId::UtcTime),
    ("Frames", DataTypeId::UInt64),
    ("Alarms", DataTypeId::UInt64),
    ("Uncertain", DataTypeId::UInt64),
    ("Parts", DataTypeId::UInt64),
    ("BadParts", DataTypeId::UInt64),
];

/// What is told of the part that ended last.
const LAST_PART: [(&str, DataTypeId); 5] = [
    ("Number", DataTypeId::Int64),
    ("Part", DataTypeId::String),
    ("Lot", DataTypeId::String),
    ("Verdict", DataTypeId::String),
    ("Score", DataTypeId::Double),
];

/// An argument of a method: its name, its data type, and whether it is an array.
type Given = (&'static str, NodeId, bool);

/// Types of objects, the type that each is a kind of, and their names.
const OBJECT_TYPES: [(&str, u32, ObjectTypeId); 7] = [
    ("VisionSystemType", names::VISION_SYSTEM, ObjectTypeId::BaseObjectType),
    ("RecipeManagementType", names::RECIPE_MANAGEMENT, ObjectTypeId::BaseObjectType),
    ("ResultManagementType", names::RESULT_MANAGEMENT, ObjectTypeId::BaseObjectType),
    ("ResultFolderType", names::RESULT_FOLDER, ObjectTypeId::FolderType),
    ("VisionStateMachineType", names::STATE_MACHINE, ObjectTypeId::FiniteStateMachineType),
    ("VisionAutomaticModeStateMachineType", names::AUTOMATIC_MODE, ObjectTypeId::FiniteStateMachineType),
    ("ResultReadyEventType", names::RESULT_READY, ObjectTypeId::BaseEventType),
];

/// Adds all nodes. `lines` are names and titles.
pub(super) fn insert(into: &mut AddressSpace, types: &Types, lines: &[(String, String)]) {
    insert_types(into, types);
    let nodes = Nodes { spaces: types.spaces };
    let spaces = types.spaces;
    let station = spaces.own_node("Station");
    ObjectBuilder::new(&station, spaces.own_name("Station"), "Station")
        .has_type_definition(ObjectTypeId::BaseObjectType)
        .organized_by(ObjectId::ObjectsFolder)
        .insert(into);
    nodes.variable(into, "Station", spaces.own_name("Heartbeat"), DataTypeId::UInt32.into());
    lines.iter().for_each(|(name, title)| insert_line(into, types, nodes, name, title));
}

fn insert_types(into: &mut AddressSpace, types: &Types) {
    let spaces = types.spaces;
    types.insert(into);
    for (name, number, of) in OBJECT_TYPES {
        ObjectTypeBuilder::new(&spaces.node(number), spaces.name(name), name).subtype_of(of).insert(into);
    }
    VariableTypeBuilder::new(&spaces.node(names::RESULT_VARIABLE), spaces.name("ResultType"), "ResultType")
        .data_type(spaces.node(names::RESULT))
        .value_rank(-1)
        .subtype_of(VariableTypeId::BaseDataVariableType)
        .insert(into);
    for field in types::RESULT {
        let (data_type, is_array) = types.of_field(field);
        let path = format!("ResultReadyEventType/{}", field.0);
        VariableBuilder::new(&spaces.own_node(&path), spaces.name(field.0), field.0)
            .data_type(data_type)
            .value_rank(if is_array { 1 } else { -1 })
            .has_type_definition(VariableTypeId::PropertyType)
            .property_of(spaces.node(names::RESULT_READY))
            .insert(into);
    }
    let states = [
        (names::STATE_MACHINE, names::PREOPERATIONAL),
        (names::STATE_MACHINE, names::HALTED),
        (names::STATE_MACHINE, names::ERROR),
        (names::STATE_MACHINE, names::OPERATIONAL),
        (names::AUTOMATIC_MODE, names::INITIALIZED),
        (names::AUTOMATIC_MODE, names::READY),
        (names::AUTOMATIC_MODE, names::SINGLE_EXECUTION),
        (names::AUTOMATIC_MODE, names::CONTINUOUS_EXECUTION),
    ];
    for (machine, (name, number)) in states {
        ObjectBuilder::new(&spaces.node(number), spaces.name(name), name)
            .has_type_definition(ObjectTypeId::StateType)
            .component_of(spaces.node(machine))
            .insert(into);
    }
}

fn insert_line(into: &mut AddressSpace, types: &Types, nodes: Nodes, name: &str, title: &str) {
    let spaces = types.spaces;
    let system = spaces.own_node(name);
    ObjectBuilder::new(&system, spaces.own_name(name), title)
        .event_notifier(EventNotifier::SUBSCRIBE_TO_EVENTS)
        .has_type_definition(spaces.node(names::VISION_SYSTEM))
        .organized_by(ObjectId::ObjectsFolder)
        .insert(into);
    nodes.variable(into, name, spaces.own_name("Detail"), DataTypeId::String.into());

    let machine = nodes.object(into, name, spaces.name("VisionStateMachine"), names::STATE_MACHINE);
    nodes.current_state(into, &machine);
    let automatic =
        nodes.object(into, &machine, spaces.name("AutomaticModeStateMachine"), names::AUTOMATIC_MODE);
    nodes.current_state(into, &automatic);

    let recipes = nodes.object(into, name, spaces.name("RecipeManagement"), names::RECIPE_MANAGEMENT);
    nodes.variable(into, &recipes, spaces.own_name("InUse"), spaces.node(names::RECIPE_INTERNAL));
    nodes.variable(into, &recipes, spaces.own_name("BankVersion"), DataTypeId::Int64.into());

    for (folder, variables) in [("Counters", &COUNTERS[..]), ("LastPart", &LAST_PART)] {
        let path = format!("{name}/{folder}");
        ObjectBuilder::new(&spaces.own_node(&path), spaces.own_name(folder), folder)
            .is_folder()
            .component_of(system.clone())
            .insert(into);
        for (variable, holds) in variables {
            nodes.variable(into, &path, spaces.own_name(variable), (*holds).into());
        }
    }

    let results = nodes.object(into, name, spaces.name("ResultManagement"), names::RESULT_MANAGEMENT);
    insert_methods(into, types, &results);
    let folder = nodes.object(into, &results, spaces.name("Results"), names::RESULT_FOLDER);
    let latest = format!("{folder}/Latest");
    VariableBuilder::new(&spaces.own_node(&latest), spaces.own_name("Latest"), "Latest")
        .data_type(spaces.node(names::RESULT))
        .value_rank(-1)
        .has_type_definition(spaces.node(names::RESULT_VARIABLE))
        .organized_by(spaces.own_node(&folder))
        .insert(into);
    for field in types::RESULT {
        let (data_type, is_array) = types.of_field(field);
        nodes.ranked(into, &latest, spaces.name(field.0), data_type, is_array);
    }
    for (field, holds) in RESULT {
        nodes.variable(into, &latest, spaces.own_name(field), holds.into());
    }
}

/// The arguments of a method: those that it takes, and those that it returns.
fn arguments(types: &Types, method: &str) -> (Vec<Given>, Vec<Given>) {
    let vision = |name: &'static str, number| -> Given { (name, types.spaces.node(number), false) };
    let base = |name: &'static str, holds: DataTypeId| -> Given { (name, holds.into(), false) };
    let timeout = base("Timeout", DataTypeId::Int32);
    let (handle, error) = (vision("ResultHandle", names::HANDLE), base("Error", DataTypeId::Int32));
    let asked = vec![vision("ResultId", names::RESULT_ID), timeout.clone()];
    match method {
        "GetResultById" => (asked, vec![handle, vision("Result", names::RESULT), error]),
        "GetResultComponentsById" => {
            let field = |field: &types::Field| {
                let (holds, is_array) = types.of_field(field);
                (field.0, holds, is_array)
            };
            let mut told: Vec<Given> =
                COMPONENTS.iter().filter_map(|name| types::field(name)).map(field).collect();
            told.insert(1, handle);
            told.push(error);
            (asked, told)
        }
        _ => {
            let filters = [
                ("ResultState", names::RESULT_STATE),
                ("MeasId", names::MEAS_ID),
                ("PartId", names::PART_ID),
                ("ExternalRecipeId", names::RECIPE_EXTERNAL),
                ("InternalRecipeId", names::RECIPE_INTERNAL),
                ("ExternalConfigurationId", names::CONFIGURATION_ID),
                ("InternalConfigurationId", names::CONFIGURATION_ID),
                ("ProductId", names::PRODUCT_ID),
                ("JobId", names::JOB_ID),
            ];
            let mut asked: Vec<Given> =
                filters.into_iter().map(|(name, number)| vision(name, number)).collect();
            asked.extend([
                base("MaxResults", DataTypeId::UInt32),
                base("StartIndex", DataTypeId::UInt32),
                timeout,
            ]);
            let list = ("ResultList", types.spaces.node(names::RESULT), true);
            let told = vec![
                base("IsComplete", DataTypeId::Boolean),
                base("ResultCount", DataTypeId::UInt32),
                handle,
                list,
                error,
            ];
            (asked, told)
        }
    }
}

/// What `GetResultComponentsById` returns, in this order, beside the handle and the error.
pub(super) const COMPONENTS: [&str; 15] = [
    "HasTransferableDataOnFile",
    "IsPartial",
    "IsSimulated",
    "ResultState",
    "MeasId",
    "PartId",
    "ExternalRecipeId",
    "InternalRecipeId",
    "ProductId",
    "ExternalConfigurationId",
    "InternalConfigurationId",
    "JobId",
    "CreationTime",
    "ProcessingTimes",
    "ResultContent",
];

/// The methods of each line.
pub(super) const METHODS: [&str; 3] = ["GetResultById", "GetResultComponentsById", "GetResultListFiltered"];

fn insert_methods(into: &mut AddressSpace, types: &Types, results: &str) {
    let spaces = types.spaces;
    let argument = |(name, holds, is_array): Given| Argument {
        name: name.into(),
        data_type: holds,
        value_rank: if is_array { 1 } else { -1 },
        array_dimensions: is_array.then(|| vec![0]),
        ..Argument::default()
    };
    for method in METHODS {
        let (asked, told) = arguments(types, method);
        let [asked, told] = [asked, told].map(|all| all.into_iter().map(argument).collect::<Vec<_>>());
        let path = format!("{results}/{method}");
        MethodBuilder::new(&spaces.own_node(&path), spaces.name(method), method)
            .component_of(spaces.own_node(results))
            .input_args(into, &spaces.own_node(&format!("{path}/InputArguments")), &asked)
            .output_args(into, &spaces.own_node(&format!("{path}/OutputArguments")), &told)
            .insert(into);
    }
}

/// Adds nodes below others, whose ids are their paths.
#[derive(Clone, Copy)]
struct Nodes {
    spaces: Spaces,
}

impl Nodes {
    /// An object of a type of OPC 40100-1. Returns its path.
    fn object(self, into: &mut AddressSpace, parent: &str, name: QualifiedName, kind: u32) -> String {
        let path = format!("{parent}/{}", name.name);
        let shown = name.name.to_string();
        ObjectBuilder::new(&self.spaces.own_node(&path), name, shown)
            .has_type_definition(self.spaces.node(kind))
            .component_of(self.spaces.own_node(parent))
            .insert(into);
        path
    }

    fn variable(self, into: &mut AddressSpace, parent: &str, name: QualifiedName, holds: NodeId) {
        self.ranked(into, parent, name, holds, false);
    }

    fn ranked(
        self,
        into: &mut AddressSpace,
        parent: &str,
        name: QualifiedName,
        holds: NodeId,
        is_array: bool,
    ) {
        let path = format!("{parent}/{}", name.name);
        let shown = name.name.to_string();
        VariableBuilder::new(&self.spaces.own_node(&path), name, shown)
            .data_type(holds)
            .value_rank(if is_array { 1 } else { -1 })
            .has_type_definition(VariableTypeId::BaseDataVariableType)
            .component_of(self.spaces.own_node(parent))
            .insert(into);
    }

    /// The state of a state machine, and the node of the state.
    fn current_state(self, into: &mut AddressSpace, machine: &str) {
        let path = format!("{machine}/CurrentState");
        VariableBuilder::new(&self.spaces.own_node(&path), "CurrentState", "CurrentState")
            .data_type(DataTypeId::LocalizedText)
            .value_rank(-1)
            .has_type_definition(VariableTypeId::FiniteStateVariableType)
            .component_of(self.spaces.own_node(machine))
            .insert(into);
        VariableBuilder::new(&self.spaces.own_node(&format!("{path}/Id")), "Id", "Id")
            .data_type(DataTypeId::NodeId)
            .value_rank(-1)
            .has_type_definition(VariableTypeId::PropertyType)
            .property_of(self.spaces.own_node(&path))
            .insert(into);
    }
}

/// The values of a state machine in a state, or in none.
pub(super) fn state(spaces: Spaces, machine: &str, state: Option<State>) -> [(String, Variant); 2] {
    let path = format!("{machine}/CurrentState");
    let text = state.map_or("", |(name, _)| name);
    let id = state.map(|(_, number)| spaces.node(number)).unwrap_or_default();
    [(format!("{path}/Id"), id.into()), (path, opcua::types::LocalizedText::new("en", text).into())]
}
