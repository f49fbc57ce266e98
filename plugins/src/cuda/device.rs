//! The choice that the elements offer.

use crate::properties::choices;

choices! {
    /// What frames are worked on with.
    Device, "GstSnarmDevice";
    #[default]
    Auto, "auto", "Auto: frames in CUDA memory on their GPU, where that can, and all others on the CPU";
    Cpu, "cpu", "Cpu: all frames on the CPU; those in CUDA memory are downloaded";
    Cuda, "cuda", "Cuda: all frames on a GPU; those in system memory are uploaded";
}
