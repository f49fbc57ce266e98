//! The demo: a station that needs no configuration, with the line that `snarm simulate` draws.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::config::{AtEnd, Config, Keep, Learn, Line, Parts, Recording};

/// Frames a second that are judged: every part of the line is seen several times, on a small machine too.
const RATE: u32 = 8;

/// Where the clips of the simulated line are.
pub(crate) fn clips(data: &Path) -> PathBuf {
    data.join("simulated")
}

/// The configuration. Nothing but this machine reaches it.
pub(crate) fn config(data: &Path, port: u16) -> Config {
    // A path of any characters is one word of a launch line.
    let clip = |name: &str| {
        let path = clips(data).join(name).display().to_string();
        format!("filesrc location=\"{}\" ! decodebin", path.replace('\\', "\\\\").replace('"', "\\\""))
    };
    let pipeline = format!(
        "{} ! videoconvert ! videorate drop-only=true max-rate={RATE} ! clocksync \
         ! queue max-size-buffers=1 leaky=downstream ! snarmdetect ! fakesink",
        clip("line.mkv")
    );
    let line = Line {
        name: "demo".to_owned(),
        title: "Simulated line".to_owned(),
        pipeline,
        variables: BTreeMap::new(),
        detect: BTreeMap::new(),
        recipes: Vec::new(),
        recordings: vec![Recording { name: "line".to_owned(), file: clips(data).join("line.mkv") }],
        scanner: None,
        trigger: None,
        bank: None,
        learn: Some(Learn {
            source: clip("good.mkv"),
            interval: 2,
            max_frames: 0,
            properties: BTreeMap::new(),
        }),
        parts: Some(Parts::Gap { frames: 2 }),
        at_end: AtEnd::Again,
    };
    Config {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        data: data.to_owned(),
        tls_certificate: None,
        tls_key: None,
        open_viewing: false,
        keep: Keep::default(),
        lines: vec![line],
        outputs: Vec::new(),
        hub: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_is_reached_from_this_machine_alone() {
        let config = config(Path::new("/tmp/a b"), 8470);
        assert!(config.listen.ip().is_loopback() && !config.open_viewing);
        assert!(config.lines[0].pipeline.contains("location=\"/tmp/a b/simulated/line.mkv\""));
    }
}
