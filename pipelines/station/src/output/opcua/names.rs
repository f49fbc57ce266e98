//! Names and numbers of OPC 40100-1 (machine vision) that are built here, and what names are our own.

use opcua::types::{NodeId, QualifiedName};

/// Namespace of OPC 40100-1.
pub(super) const VISION: &str = "http://opcfoundation.org/UA/MachineVision";

/// Namespace of objects and variables of a station.
pub(super) const OWN: &str = "urn:snarm:station";

/// Object types.
pub(super) const VISION_SYSTEM: u32 = 1003;
pub(super) const RECIPE_MANAGEMENT: u32 = 1004;
pub(super) const RESULT_MANAGEMENT: u32 = 1007;
pub(super) const RESULT_FOLDER: u32 = 1016;
pub(super) const STATE_MACHINE: u32 = 1017;
pub(super) const AUTOMATIC_MODE: u32 = 1021;
pub(super) const RESULT_READY: u32 = 1024;

/// The variable type of results.
pub(super) const RESULT_VARIABLE: u32 = 2002;

/// Data types.
pub(super) const RECIPE_EXTERNAL: u32 = 3002;
pub(super) const PRODUCT_ID: u32 = 3003;
pub(super) const PART_ID: u32 = 3004;
pub(super) const TIMES: u32 = 3005;
pub(super) const RESULT: u32 = 3006;
pub(super) const CONFIGURATION_ID: u32 = 3008;
pub(super) const RESULT_STATE: u32 = 3009;
pub(super) const RECIPE_INTERNAL: u32 = 3013;
pub(super) const MEAS_ID: u32 = 3015;
pub(super) const JOB_ID: u32 = 3016;
pub(super) const TRIMMED_STRING: u32 = 3017;
pub(super) const HANDLE: u32 = 3018;
pub(super) const BINARY_ID: u32 = 3019;
pub(super) const RESULT_ID: u32 = 3021;

/// A state: its name and its number.
pub(super) type State = (&'static str, u32);

/// States of the vision state machine.
pub(super) const PREOPERATIONAL: State = ("Preoperational", 5028);
pub(super) const HALTED: State = ("Halted", 5029);
pub(super) const ERROR: State = ("Error", 5030);
pub(super) const OPERATIONAL: State = ("Operational", 5031);

/// States of the automatic mode, which a vision system has while it is operational.
pub(super) const INITIALIZED: State = ("Initialized", 5056);
pub(super) const READY: State = ("Ready", 5057);
pub(super) const SINGLE_EXECUTION: State = ("SingleExecution", 5058);
pub(super) const CONTINUOUS_EXECUTION: State = ("ContinuousExecution", 5059);

/// Values of `ResultState`.
pub(super) const UNDEFINED: i32 = 0;
pub(super) const COMPLETED: i32 = 1;
pub(super) const FAILED: i32 = 4;

/// Indices of both namespaces at this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spaces {
    pub(super) vision: u16,
    pub(super) own: u16,
}

impl Spaces {
    /// A node of OPC 40100-1.
    pub(super) fn node(self, number: u32) -> NodeId {
        NodeId::new(self.vision, number)
    }

    /// A name of OPC 40100-1.
    pub(super) fn name(self, name: &str) -> QualifiedName {
        QualifiedName::new(self.vision, name)
    }

    /// A node of our own, named by its path from the line.
    pub(super) fn own_node(self, path: &str) -> NodeId {
        NodeId::new(self.own, path.to_owned())
    }

    /// A name of our own.
    pub(super) fn own_name(self, name: &str) -> QualifiedName {
        QualifiedName::new(self.own, name)
    }
}
