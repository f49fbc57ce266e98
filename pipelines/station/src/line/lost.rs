//! How much of a line could not be stored, and is lost.

use serde::Serialize;
use utoipa::ToSchema;

/// Most that wait: frames, messages, parts, and frames that a shadow judged as well, of each so many.
pub(super) const MOST: usize = 20_000;

/// What was lost since the station started, as it could not be stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Lost {
    /// Scores of frames.
    pub(crate) frames: u64,
    /// Finds with their pictures.
    pub(crate) finds: u64,
    /// Records of parts.
    pub(crate) parts: u64,
    /// Messages of frames for outputs; those of finds and parts are lost with these.
    pub(crate) messages: u64,
    /// Frames that a shadow judged as well.
    pub(crate) compared: u64,
}

impl Lost {
    /// How much was lost of all.
    pub(crate) fn sum(&self) -> u64 {
        self.frames + self.finds + self.parts + self.messages + self.compared
    }

    /// More was lost.
    pub(super) fn add(&mut self, more: &Self) {
        self.frames += more.frames;
        self.finds += more.finds;
        self.parts += more.parts;
        self.messages += more.messages;
        self.compared += more.compared;
    }
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = [
            (self.frames, "frames"),
            (self.finds, "finds"),
            (self.parts, "parts"),
            (self.messages, "messages"),
            (self.compared, "frames of a shadow"),
        ];
        let some: Vec<String> = all
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| format!("{count} {name}"))
            .collect();
        write!(f, "{}", some.join(", "))
    }
}
