//! Data types of OPC 40100-1: nodes that tell clients of them, and values.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use opcua::nodes::{DataTypeBuilder, ObjectBuilder, ReferenceDirection};
use opcua::server::address_space::AddressSpace;
use opcua::types::custom::{
    DataTypeTree, DynamicStructure, DynamicTypeLoader, EncodingIds, ParentIds, TypeInfo,
};
use opcua::types::{
    DataTypeDefinition, DataTypeId, ExtensionObject, NodeId, ObjectTypeId, ReferenceTypeId,
    StructureDefinition, StructureField, StructureType, TypeLoader, Variant,
};

use super::names::{self, Spaces};

/// What a field holds.
#[derive(Clone, Copy)]
pub(super) enum Holds {
    /// A type that every server has.
    Base(DataTypeId),
    /// An array of anything.
    Anything,
    /// A type of OPC 40100-1.
    Vision(u32),
}

/// A field of a structure: its name, what it holds, whether it may be missing.
pub(super) type Field = (&'static str, Holds, bool);

/// A structure: its name, its number, that of its binary encoding, its fields.
type Structure = (&'static str, u32, u32, &'static [Field]);

const ID: Field = ("Id", Holds::Vision(names::TRIMMED_STRING), false);
const DESCRIPTION: Field = ("Description", Holds::Base(DataTypeId::LocalizedText), true);

const VERSIONED: &[Field] = &[
    ID,
    ("Version", Holds::Vision(names::TRIMMED_STRING), true),
    ("Hash", Holds::Base(DataTypeId::ByteString), true),
    ("HashAlgorithm", Holds::Base(DataTypeId::String), true),
    DESCRIPTION,
];

/// The fields of a result, which a variable has as components and an event as properties.
pub(super) const RESULT: &[Field] = &[
    ("ResultId", Holds::Vision(names::RESULT_ID), false),
    ("HasTransferableDataOnFile", Holds::Base(DataTypeId::Boolean), true),
    ("IsPartial", Holds::Base(DataTypeId::Boolean), false),
    ("IsSimulated", Holds::Base(DataTypeId::Boolean), true),
    ("ResultState", Holds::Vision(names::RESULT_STATE), false),
    ("MeasId", Holds::Vision(names::MEAS_ID), true),
    ("PartId", Holds::Vision(names::PART_ID), true),
    ("ExternalRecipeId", Holds::Vision(names::RECIPE_EXTERNAL), true),
    ("InternalRecipeId", Holds::Vision(names::RECIPE_INTERNAL), false),
    ("ProductId", Holds::Vision(names::PRODUCT_ID), true),
    ("ExternalConfigurationId", Holds::Vision(names::CONFIGURATION_ID), true),
    ("InternalConfigurationId", Holds::Vision(names::CONFIGURATION_ID), false),
    ("JobId", Holds::Vision(names::JOB_ID), false),
    ("CreationTime", Holds::Base(DataTypeId::UtcTime), false),
    ("ProcessingTimes", Holds::Vision(names::TIMES), true),
    ("ResultContent", Holds::Anything, true),
];

const STRUCTURES: [Structure; 11] = [
    ("BinaryIdBaseDataType", names::BINARY_ID, 5027, VERSIONED),
    ("RecipeIdExternalDataType", names::RECIPE_EXTERNAL, 5002, VERSIONED),
    ("RecipeIdInternalDataType", names::RECIPE_INTERNAL, 5268, VERSIONED),
    ("ConfigurationIdDataType", names::CONFIGURATION_ID, 5090, VERSIONED),
    ("ProductIdDataType", names::PRODUCT_ID, 5224, &[ID, DESCRIPTION]),
    ("PartIdDataType", names::PART_ID, 5013, &[ID, DESCRIPTION]),
    ("MeasIdDataType", names::MEAS_ID, 5006, &[ID, DESCRIPTION]),
    ("JobIdDataType", names::JOB_ID, 5008, &[ID]),
    ("ResultIdDataType", names::RESULT_ID, 5274, &[ID]),
    (
        "ProcessingTimesDataType",
        names::TIMES,
        5016,
        &[
            ("StartTime", Holds::Base(DataTypeId::UtcTime), false),
            ("EndTime", Holds::Base(DataTypeId::UtcTime), false),
            ("AcquisitionDuration", Holds::Base(DataTypeId::Duration), true),
            ("ProcessingDuration", Holds::Base(DataTypeId::Duration), true),
        ],
    ),
    ("ResultDataType", names::RESULT, 5018, RESULT),
];

/// Types that are another by a name of their own.
const ALIASES: [(&str, u32, DataTypeId); 3] = [
    ("ResultStateDataType", names::RESULT_STATE, DataTypeId::Int32),
    ("TrimmedString", names::TRIMMED_STRING, DataTypeId::String),
    ("Handle", names::HANDLE, DataTypeId::UInt32),
];

/// The data types at this server.
#[derive(Debug, Clone)]
pub(super) struct Types {
    pub(super) spaces: Spaces,
    tree: Arc<DataTypeTree>,
}

impl Types {
    pub(super) fn new(spaces: Spaces) -> Self {
        let mut parents = ParentIds::new();
        parents.add_type(DataTypeId::UtcTime.into(), DataTypeId::DateTime.into());
        parents.add_type(DataTypeId::Duration.into(), DataTypeId::Double.into());
        for (_, number, of) in ALIASES {
            parents.add_type(spaces.node(number), of.into());
        }
        for (_, number, ..) in STRUCTURES {
            parents.add_type(spaces.node(number), parent(spaces, number));
        }
        let mut tree = DataTypeTree::new(parents);
        for (name, number, encoding, fields) in STRUCTURES {
            let binary_id = spaces.node(encoding);
            let info = TypeInfo::from_type_definition(
                definition(spaces, number, encoding, fields),
                name.to_owned(),
                Some(EncodingIds { binary_id, ..EncodingIds::default() }),
                number == names::BINARY_ID,
                &spaces.node(number),
                tree.parent_ids(),
            );
            match info {
                Ok(info) => tree.add_type(spaces.node(number), info),
                // A value of it is refused by name.
                Err(error) => tracing::error!("the data type {name}: {error}"),
            }
        }
        Self { spaces, tree: Arc::new(tree) }
    }

    /// Reads values of these types that a client sends.
    pub(super) fn loader(&self) -> Arc<dyn TypeLoader> {
        Arc::new(DynamicTypeLoader::new(Arc::clone(&self.tree)))
    }

    /// A value of a structure. Fields that are not named are missing.
    ///
    /// # Errors
    /// When a field is missing that must not, or holds something else.
    pub(super) fn value(&self, number: u32, fields: &[(&str, Variant)]) -> Result<Variant> {
        let known = self.tree.get_struct_type(&self.spaces.node(number));
        let kind = known.with_context(|| format!("an unknown data type: {number}"))?;
        let of = |field: &str| fields.iter().find(|(name, _)| *name == field).map(|(_, value)| value.clone());
        let values = kind.fields.iter().map(|field| of(&field.name).unwrap_or_default()).collect();
        let made = DynamicStructure::new_struct(Arc::clone(kind), Arc::clone(&self.tree), values)
            .map_err(|error| anyhow!("a value of {}: {error}", kind.name))?;
        Ok(Variant::ExtensionObject(ExtensionObject::new(made)))
    }

    /// A value of a structure that has an `Id` and nothing else.
    pub(super) fn id(&self, number: u32, id: &str) -> Result<Variant> {
        self.value(number, &[("Id", id.into())])
    }

    /// The data type of a field of [`RESULT`], and whether it is an array.
    pub(super) fn of_field(&self, field: &Field) -> (NodeId, bool) {
        (data_type(self.spaces, field.1), matches!(field.1, Holds::Anything))
    }

    /// Adds the nodes from which clients learn the types.
    pub(super) fn insert(&self, into: &mut AddressSpace) {
        let spaces = self.spaces;
        for (name, number, of) in ALIASES {
            DataTypeBuilder::new(&spaces.node(number), spaces.name(name), name).subtype_of(of).insert(into);
        }
        for (name, number, encoding, fields) in STRUCTURES {
            DataTypeBuilder::new(&spaces.node(number), spaces.name(name), name)
                .is_abstract(number == names::BINARY_ID)
                .data_type_definition(definition(spaces, number, encoding, fields))
                .subtype_of(parent(spaces, number))
                .insert(into);
            ObjectBuilder::new(&spaces.node(encoding), "Default Binary", "Default Binary")
                .has_type_definition(ObjectTypeId::DataTypeEncodingType)
                .reference(spaces.node(number), ReferenceTypeId::HasEncoding, ReferenceDirection::Inverse)
                .insert(into);
        }
    }
}

/// A field of [`RESULT`].
pub(super) fn field(name: &str) -> Option<&'static Field> {
    RESULT.iter().find(|(field, ..)| *field == name)
}

/// The data type that a structure is a kind of.
fn parent(spaces: Spaces, number: u32) -> NodeId {
    match number {
        names::RECIPE_EXTERNAL | names::RECIPE_INTERNAL | names::CONFIGURATION_ID => {
            spaces.node(names::BINARY_ID)
        }
        _ => DataTypeId::Structure.into(),
    }
}

fn data_type(spaces: Spaces, holds: Holds) -> NodeId {
    match holds {
        Holds::Base(of) => of.into(),
        Holds::Anything => DataTypeId::BaseDataType.into(),
        Holds::Vision(number) => spaces.node(number),
    }
}

fn definition(spaces: Spaces, number: u32, encoding: u32, fields: &[Field]) -> DataTypeDefinition {
    let field = |(name, holds, is_optional): &Field| StructureField {
        name: (*name).into(),
        data_type: data_type(spaces, *holds),
        value_rank: if matches!(holds, Holds::Anything) { 1 } else { -1 },
        is_optional: *is_optional,
        ..StructureField::default()
    };
    let has_optional = fields.iter().any(|(.., is_optional)| *is_optional);
    DataTypeDefinition::Structure(StructureDefinition {
        default_encoding_id: spaces.node(encoding),
        base_data_type: parent(spaces, number),
        structure_type: match has_optional {
            true => StructureType::StructureWithOptionalFields,
            false => StructureType::Structure,
        },
        fields: Some(fields.iter().map(field).collect()),
    })
}

#[cfg(test)]
mod tests {
    use opcua::types::{BinaryEncodable, ContextOwned, DecodingOptions, NamespaceMap};

    use super::*;

    #[test]
    fn structures_are_written_as_the_standard_says() {
        let types = Types::new(Spaces { vision: 2, own: 3 });
        let recipe = types.value(names::RECIPE_INTERNAL, &[("Id", "cap".into()), ("Version", "3".into())]);
        let Variant::ExtensionObject(recipe) = recipe.unwrap() else { panic!("no structure") };
        let context = ContextOwned::new_default(NamespaceMap::new(), DecodingOptions::default());
        let bytes = recipe.encode_to_vec(&context.context());
        // Encoding 5268 of namespace 2; a body of 16 bytes: the mask of what is there, and two texts.
        let expected: &[u8] =
            &[1, 2, 0x94, 0x14, 1, 16, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, b'c', b'a', b'p', 1, 0, 0, 0, b'3'];
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_structure_without_what_it_must_have_is_refused() {
        let types = Types::new(Spaces { vision: 2, own: 3 });
        let text = format!("{:#}", types.value(names::RESULT, &[("IsPartial", false.into())]).unwrap_err());
        assert!(text.contains("ResultDataType") && text.contains("ResultId"), "{text}");
        let text = format!("{:#}", types.value(names::PART_ID, &[("Id", 7.into())]).unwrap_err());
        assert!(text.contains("Id"), "{text}");
    }
}
