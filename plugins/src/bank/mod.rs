//! `snarmbank`: learns what normal looks like from the good frames that pass.
/**
 * SECTION:element-snarmbank
 * @title: snarmbank
 * @short_description: learns a memory bank from good frames
 * @see_also: snarmdetect, snarmoverlay
 *
 * Every frame passes unchanged. At EOS, or after #GstSnarmBank:max-frames frames, the element thins what it
 * collected, scores good frames to find the threshold, and writes the bank file. EOS goes on only when the file is
 * complete, so that whoever sees EOS may count on the bank. An older file at the same place stays as it is until the new
 * one is complete, and when learning fails; links are followed, and its mode stays.
 *
 * Frames of a stream that is tagged with `image-orientation` are learned upright. #GstSnarmBank:roi and
 * #GstSnarmBank:ignore-mask are given for the buffer's own frame, as the first learned one is tagged, and stored for the
 * upright picture. Buffers that do not hold the frame that their caps promise pass and are not learned: the first of a run
 * is a warning, and `frames-unreadable` in #GstSnarmBank:stats counts them all.
 *
 * While it makes the bank the element posts progress messages with the code `snarm-bank`, whose text has the share that is
 * done and the time left, and element messages `snarm-progress` with the fields `stage` (`views`, `reduce` or `calibrate`), `share`
 * (0..1 of the stage) and `seconds-left` (-1 where it is not known yet); at the end an element message
 * `snarm-bank-ready` with the fields `location`, `digest`, `vectors`, `frames`, `copies`, `odd-frames`, `place-radius` (part of
 * the frame, -1 where places do not count), `views` (the names of the sets that were learned, such as `light+turns`, or `none`),
 * `views-reason` (why, where they were not asked for by name; else empty), `threshold`, `false-alarms-low` and
 * `false-alarms-high` (the rate of new good frames above it lies between these in four of five cases), `score-mean`,
 * `score-std`, `score-max` and `seconds`, and gives the signal #GstSnarmBank::bank-ready. A checkpoint posts
 * `snarm-bank-checkpoint` with the fields `location`, `digest`, `vectors`, `frames` and `threshold`.
 *
 * An application ends learning with the action #GstSnarmBank::finalize (returns whether a bank was made; if not, a
 * warning says why and learning goes on), takes back what an operator saw slip in with #GstSnarmBank::discard-last
 * (returns how many frames were taken back), and starts anew with #GstSnarmBank::reset. With
 * #GstSnarmBank:append the rows of the existing file stay, thinned together with the new ones; its scores count in the
 * threshold, and region of interest, ignore mask and crop are those of the file. From start to end nobody else may write
 * that file: a second element, or `snarm bank`, is refused meanwhile. Where there was no file at the start, whoever writes
 * it first has it, and the other's end is an error.
 *
 * Good frames may be there twice, in a clip that loops, in bursts, in folders that were copied: a frame that is a copy of
 * one before it, or nearly so, does not count where that one is scored, and `copies` says how many there were. Whether the
 * frames are a stream, whose neighbours belong together, or single pictures, is seen from the frames. A bank of fewer than
 * four frames that are no copies, or of hardly any vectors, has a threshold that is a guess: a warning says so here, and
 * when `snarmdetect` opens the bank.
 *
 * ## Small defects in large frames
 * The network sees a frame in a few hundred rows and columns; what is smaller than two of them is lost. With
 * #GstSnarmBank:min-defect, or #GstSnarmBank:tiles, the frame, or its region of interest, is cut into tiles, each of which
 * the network sees by itself: the bank holds rows of all tiles and knows how frames are cut, the anomaly map is one of the
 * whole frame, and the threshold is that of whole frames. Learning and analysis take the time of a whole frame for each
 * tile. In docs/tiles.md stands what is found and what it costs.
 *
 * ## Precision
 * With #GstSnarmBank:precision=bf16 the CPU multiplies in bf16 while it encodes, as #GstSnarmDetect:precision explains. The bank
 * says which it was, and serves detection in either.
 *
 * ## On a GPU
 * Frames in CUDA memory are imported and encoded where they are, with #GstSnarmBank:device=cuda those in system memory, too;
 * descriptors and light come to the host, where all else is done. Which networks run there, and what happens where a GPU cannot,
 * is as with `snarmdetect`: after one warning the CPU goes on.
 *
 * ## Memory
 * Memory does not grow with the stream. Collected are at most 16 vectors for each of #GstSnarmBank:bank-capacity,
 * 16,384 at least; when they are all there, a coreset of the capacity stays of them, and a quarter that is drawn evenly
 * from the whole stream, which halts the stream for some seconds. A vector takes 4 bytes times its width, and 516 more
 * while the bank is made; the frames that the threshold is found with take 2 bytes times width, tokens and tiles each. They are
 * 1024 at most, of a longer stream an even sample: as many as 160 MiB hold lie in memory, more in a file without a name in
 * `TMPDIR` (or `/tmp`), of 1 GiB at most. Where it cannot be written those in memory serve, and the log says so:
 *
 * | encoder | width | tokens | collected | in all, capacity 10,000 | in all, capacity 200 |
 * |---|---|---|---|---|---|
 * | snarm-tiny | 128 | 1600 | 160,000 of 512 bytes | 0.33 GB | 0.18 GB |
 * | DINOv2 with registers, small to large | 512 | 2401 | 160,000 of 2048 bytes | 0.57 GB | 0.20 GB |
 *
 * Where places may count, each vector of the bank takes 2 bytes more for each place while the threshold is found, 800 with
 * snarm-tiny. The first frame is kept as a picture, 3 bytes a pixel. With views, those of the first seven frames are kept, too, in at
 * most 160 MiB; with #GstSnarmBank:views=auto up to 12 pictures of frames in 160 MiB, four in any case, and while the bank is made
 * what was collected is there twice.
 *
 * ## Few frames
 * With #GstSnarmBank:views each frame is also learned in other light or poses, which costs as many times its encoding; rows stay
 * within #GstSnarmBank:bank-capacity. Of fewer than eight frames the views are also scored, each against the other frames, so that
 * the threshold comes from more than a few scores.
 *
 * One frame makes a bank, too: where no views are asked for it is learned in those of `all`, and the threshold comes from its views
 * and from what a shipped decoder knows of other products. Warnings say so, and that the threshold is a guess.
 *
 * With #GstSnarmBank:views=auto the frames decide. Up to 12 pictures of them, evenly drawn, are kept; when the bank is made, each is
 * compared with the others as with a bank that does not know it, and once more with the others in views of light, pose and turns. The
 * sets that make the median one more like the others by more than a tenth, each beside those before it, are learned from these
 * pictures. That takes the time of 480 frames, and of at most as many again for what is learned. Fewer than four frames are learned
 * in all.
 *
 * ## Place
 * A part may be intact and yet lie where it does not belong, or be missing where there is background elsewhere. With
 * #GstSnarmBank:place `auto` a vector counts near the places alone where the learned frames have it. How near is found when the
 * bank is made: within one, two or four twentieths of the frame, the least that makes an alarm of none of the learned frames (at
 * most one in a hundred). Where good parts move more than that, or fewer than 12 frames were learned, places do not count.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 multifilesrc location=good/%04d.png caps=image/png,framerate=1/1 ! pngdec ! videoconvert ! snarmbank location=part.bank ! fakesink
 * ]|
 * Learns from a folder of pictures.
 * |[
 * gst-launch-1.0 -e v4l2src ! videoconvert ! snarmbank location=part.bank max-frames=200 ! videoconvert ! autovideosink
 * ]|
 * Learns from the first 200 frames of a camera. `-e` turns Ctrl-C into EOS, which writes what was learned so far;
 * `snarm launch` does so for SIGTERM and SIGHUP, too.
 *
 * Since: plugins-snarm-0.1.0
 */
mod imp;
mod learning;
mod messages;
mod settings;
mod signals;

use gst::glib;
use gst::prelude::*;

use crate::properties::choices;

glib::wrapper! {
    /// The element `snarmbank`.
    pub struct SnarmBank(ObjectSubclass<imp::SnarmBank>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

choices! {
    /// What the element is doing.
    BankState, "GstSnarmBankState";
    #[default]
    Idle, "idle", "Idle: not started";
    Learning, "learning", "Learning: collects good frames";
    Paused, "paused", "Paused: keeps what was collected, learning is off";
    Finishing, "finishing", "Finishing: reduces, calibrates and writes the bank";
    Ready, "ready", "Ready: the bank is written";
    Failed, "failed", "Failed: no bank was written";
}

choices! {
    /// How collected vectors are thinned to the capacity.
    Reduction, "GstSnarmReduction" for snarm_core::bank::Reduction;
    None, "none", "None: as collected, an even sample where there is too much";
    Random, "random", "Random: an even random sample";
    #[default]
    Greedy, "greedy", "Greedy: a coreset, each pick the farthest from all before it";
}

choices! {
    /// Which views of each frame are learned beside it.
    Views, "GstSnarmViews" for snarm_core::synthetic::augmentation::Views;
    #[default]
    None, "none", "None: the frame alone";
    Light, "light", "Light: in other brightness, gamma, white balance, gradients (8 views)";
    Pose, "pose", "Pose: moved by 4 % of each side, turned by 3 and 6 degrees (8 views)";
    Turns, "turns", "Turns: turned by each 15 degrees (23 views)";
    All, "all", "All: light and pose (16 views)";
    FewShot, "few-shot", "Few shot: turned, moved, mirrored, grey, as published for few-shot learning (21 views)";
    Auto, "auto", "Auto: light, pose or turns, as the frames ask for, of 12 of them";
}

choices! {
    /// Whether vectors count near the places alone where they were seen.
    Place, "GstSnarmPlace" for snarm_core::bank::Placing;
    None, "none", "None: every vector counts everywhere";
    #[default]
    Auto, "auto", "Auto: near their places, where good parts keep them";
}

choices! {
    /// How a frame is brought to the input of the network.
    Crop, "GstSnarmCrop" for snarm_core::view::Crop;
    #[default]
    Auto, "auto", "Auto: aspect for frames at least twice as long as wide or as wide as long, else full";
    Aspect, "aspect", "Aspect: the whole frame, the input of the network having its aspect";
    Full, "full", "Full: the whole frame, squeezed to the square";
    Letterbox, "letterbox", "Letterbox: the whole frame with its aspect ratio kept";
    Paper, "paper", "Paper: as published, leaves out an outer frame of 1/16 per side";
}

/// Registers the element.
pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    #[cfg(feature = "doc")]
    for api in [BankState::static_type(), Reduction::static_type(), Crop::static_type(), Views::static_type()]
    {
        api.mark_as_plugin_api(gst::PluginAPIFlags::empty());
    }
    gst::Element::register(Some(plugin), "snarmbank", gst::Rank::NONE, SnarmBank::static_type())
}
