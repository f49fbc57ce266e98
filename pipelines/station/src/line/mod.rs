//! Lines: each a pipeline in a process of its own, what is known of it, and what may be changed while it runs.

mod album;
mod child;
mod compare;
mod control;
mod detector;
mod followed;
mod hear;
mod learn;
mod lost;
mod nearest;
mod pairs;
mod parts;
mod prepare;
mod scanner;
mod settings;
mod shared;
mod source;
mod state;
mod supervise;
mod switch;
mod trigger;
mod unstored;

pub(crate) use compare::{Comparing, Comparison, begin_comparing, comparison, end_comparing};
pub(crate) use control::{
    check_reason, end_shadow, make_candidate, release, restart, roll_back, set_limits, set_shadow, to_learn,
};
pub(crate) use learn::{Ask, Learning, Wish, begin_learning, end_learning, learning};
pub(crate) use lost::Lost;
pub(crate) use nearest::{Nearest, nearest};
pub(crate) use scanner::listen as read_codes;
pub(crate) use settings::{Change, Limits, change, check_limits};
pub(crate) use shared::{Line, Reader, Source};
pub(crate) use source::{SourceTest, property, source, try_source};
#[cfg(test)]
pub(crate) use state::PartsNow;
pub(crate) use state::{Lamp, Light, Snapshot, State, Status};
pub(crate) use switch::Switch;
pub(crate) use trigger::watch as watch_trigger;
