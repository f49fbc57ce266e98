//! A hub that is reached by TLS, with user and password, and whoever is not let in.

use std::path::Path;
use std::process::Command as Process;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::super::keys::Trust;
use super::super::link::Link;
use super::{Running, Server, free_port, ids, made, open, runtime, stored, until};
use crate::config::Hub;
use crate::output::Health;
use crate::skip::skip;

/// Makes two authorities, `ca.pem` and `other.pem`, and for this machine `server.pem` with `server.key`, for which the first
/// vouches. False where there is no openssl.
fn certificates(dir: &Path) -> bool {
    if Process::new("openssl").arg("version").output().is_err() {
        skip("openssl", "no openssl on this machine");
        return false;
    }
    let openssl = |line: &str| {
        let output = Process::new("openssl").args(line.split(' ')).current_dir(dir).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for name in ["ca", "other"] {
        openssl(&format!("req -x509 {key} -keyout {name}.key -out {name}.pem -days 2 -subj /CN={name}"));
    }
    openssl(&format!("req {key} -keyout server.key -out server.csr -subj /CN=localhost"));
    std::fs::write(dir.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    openssl(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile names",
    );
    true
}

#[test]
fn a_hub_by_tls_is_reached_by_whom_it_knows_and_by_who_trusts_its_authority_alone() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    if !certificates(dir) {
        return;
    }
    let port = free_port();
    let conf = format!(
        "listen: '127.0.0.1:{port}'\njetstream {{ store_dir: 'js' }}\n\
         tls {{ cert_file: 'server.pem', key_file: 'server.key' }}\n\
         authorization {{ users: [ {{ user: 'north', password: 'a long password' }} ] }}\n"
    );
    std::fs::write(dir.join("nats.conf"), conf).unwrap();
    let Some(_server) = Server::run(&["-c", "nats.conf"], dir, port) else { return };
    std::fs::write(dir.join("right.secret"), "a long password\n").unwrap();
    std::fs::write(dir.join("wrong.secret"), "another password\n").unwrap();
    let hub = |scheme: &str, more: &str| {
        let text = format!("[hub]\nurl = ['{scheme}://127.0.0.1:{port}']\nname = 'north'\n{more}");
        std::fs::write(dir.join("hub.toml"), text).unwrap();
        Hub::read(&dir.join("hub.toml")).unwrap()
    };
    let login = |password: &str, ca: &str| {
        format!("user = 'north'\npassword-file = '{password}.secret'\nca-file = '{ca}.pem'\n")
    };
    runtime().block_on(async {
        // The address need not say that it is by TLS.
        let right = hub("nats", &login("right", "ca"));
        let link = made(&right, Duration::from_secs(120)).await;
        assert!(link.is_up() && link.failure().is_none());
        let station = Running::start(hub("tls", &login("right", "ca")), &dir.join("data"));
        station.tell(3);
        station.all_sent().await;
        station.end().await;
        assert_eq!(ids(&stored(&link).await), [1, 2, 3]);

        // Who is not let in is told so at once, by the error and by the lamp of the outputs.
        for more in [login("wrong", "ca"), "ca-file = 'ca.pem'\n".to_owned()] {
            let link = Link::dial(&hub("tls", &more)).await.unwrap();
            let error = link.soon().await.unwrap_err().to_string();
            assert!(error.contains("the hub refuses user and password"), "{error}");
        }
        let health = Arc::new(Health::of_hub());
        let (stop, stopped) = watch::channel(false);
        let store = Arc::new(open(&dir.join("refused")));
        let (trust, told) = (Trust::new(&Default::default()).unwrap(), Arc::clone(&health));
        let refused = hub("tls", &login("wrong", "ca"));
        let run = super::super::run(refused, trust, told, store, Vec::new(), "1", Arc::default(), stopped);
        let task = tokio::spawn(run);
        until("the lamp says why", async || {
            health.failure().is_some_and(|why| why.contains("authorization violation"))
        })
        .await;
        stop.send_replace(true);
        task.await.unwrap();

        // An authority that does not vouch for it, those of the system, and a hub without TLS where it is asked for.
        let plain = Server::on_free_port(&dir.join("plain")).unwrap();
        let of_plain = |ca: &str| {
            let hub = hub("nats", &login("right", ca));
            Hub { url: vec![format!("nats://127.0.0.1:{}", plain.port)], ..hub }
        };
        let system = "user = 'north'\npassword-file = 'right.secret'\n";
        for (what, config) in [
            ("another authority", hub("tls", &login("right", "other"))),
            ("authorities of the system", hub("tls", system)),
            ("no TLS", of_plain("ca")),
        ] {
            let link = Link::dial(&config).await.unwrap();
            until(what, async || link.failure().is_some() || link.is_up()).await;
            assert!(!link.is_up(), "{what}: {:?}", link.failure());
        }
        // Files that hold something else are named.
        let error = Link::dial(&hub("tls", &login("right", "names"))).await.err().map(|e| format!("{e:#}"));
        assert!(error.is_some_and(|error| error.contains("names.pem")));
        let other = hub("tls", "credentials-file = 'names'\nca-file = 'ca.pem'\n");
        let error = Link::dial(&other).await.err().map(|error| format!("{error:#}"));
        assert!(error.is_some_and(|error| error.contains("credentials-file: expected what nsc writes")));
    });
}
