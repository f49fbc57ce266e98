//! The container file of a station: what it fetches, and as whom it runs. `pipelines/scripts/container.sh` builds it where
//! there is a builder.

use std::path::{Path, PathBuf};

fn pipelines(file: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Its instructions, each in one line, without comments.
fn instructions() -> Vec<String> {
    let text = pipelines("container/Containerfile");
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    joined.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// Packages that a text names between its words and the end of the command.
fn packages(text: &str) -> Vec<String> {
    let (_, rest) = text.split_once("apt-get install").expect("packages are installed");
    let words = rest.split("&&").next().expect("a command").split_whitespace();
    words.filter(|word| !word.starts_with('-')).map(str::to_owned).collect()
}

#[test]
fn a_container_has_packages_that_the_project_names_and_fetches_nothing_else() {
    let all = instructions();
    let runs: Vec<&String> = all.iter().filter(|line| line.starts_with("RUN ")).collect();
    let installs: Vec<_> = runs.iter().filter(|line| line.contains("apt-get install")).collect();
    assert_eq!(installs.len(), 1, "{runs:?}");
    let named = packages(installs[0]);
    assert!(named.contains(&"gstreamer1.0-plugins-good".to_owned()), "{named:?}");
    let script = pipelines("scripts/install-deps.sh");
    let known: Vec<&str> = script.lines().take_while(|line| !line.starts_with("case")).collect();
    let known: Vec<&str> = known.iter().flat_map(|line| line.split_whitespace()).collect();
    for package in &named {
        assert!(known.contains(&package.as_str()), "{package} is not in install-deps.sh");
    }
    for line in runs {
        for other in ["http", "curl ", "wget", "pip", "npm", "cargo", "git "] {
            assert!(!line.replace(&named.join(" "), "").contains(other), "{other} in {line}");
        }
    }
    let from: Vec<&String> = all.iter().filter(|line| line.starts_with("FROM ")).collect();
    assert_eq!(from, ["FROM ${BASE}"]);
    assert!(all.iter().any(|line| line.starts_with("ARG BASE=docker.io/library/debian:")), "{all:?}");
    assert!(!all.iter().any(|line| line.starts_with("ADD ")), "{all:?}");
}

#[test]
fn a_container_runs_as_nobody_of_the_machine_keeps_its_data_and_says_how_it_is() {
    let all = instructions();
    let one = |name: &str| {
        let mut found = all.iter().filter_map(|line| line.strip_prefix(name)).collect::<Vec<_>>();
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        found.remove(0).trim().to_owned()
    };
    let user = one("USER ");
    let number: u32 = user.split(':').next().and_then(|id| id.parse().ok()).expect("a number");
    assert!((1000..60_000).contains(&number), "{user}");
    assert!(all.iter().any(|line| line.contains(&format!("useradd --system --uid {number} "))), "{all:?}");
    assert_eq!(one("VOLUME "), "/var/lib/snarm-station");
    assert!(all.iter().any(|line| line.contains("SNARM_HEALTH=http://127.0.0.1:8470/healthz")), "{all:?}");
    assert!(one("HEALTHCHECK ").contains("$SNARM_HEALTH"));
    assert!(one("CMD ").contains("station"));
    // It is started as the unit of systemd is.
    let unit = pipelines("systemd/snarm-station.service");
    let words = one("CMD ").replace(['[', ']', '"'], "").replace(", ", " ");
    assert!(unit.contains(&format!("ExecStart={words}\n")), "{words}");
}
