//! OPC UA: a client of another library's making reads states and results, hears of each result once and in order, and finds
//! what it missed; whoever is not trusted, or names a wrong password, does not come in.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use opcua::client::custom_types::DataTypeTreeBuilder;
use opcua::client::{ClientBuilder, IdentityToken, Session, SubscriptionCallbacks};
use opcua::crypto::SecurityPolicy;
use opcua::types::custom::{DataTypeTree, DynamicStructure, DynamicTypeLoader};
use opcua::types::{
    AttributeId, CallMethodRequest, DataValue, Error, EventFilter, ExtensionObject, MessageSecurityMode,
    MonitoredItemCreateRequest, MonitoringMode, MonitoringParameters, NodeId, ObjectTypeId, QualifiedName,
    ReadValueId, SimpleAttributeOperand, StatusCode, TimestampsToReturn, UserTokenPolicy, Variant,
};
use serde_json::Value;
use snarm_tests::skip::skip;

use crate::common::{ADMIN, Station, Visitor, learned, until};
use crate::outputs::{free_port, waiting};

const VISION: &str = "http://opcfoundation.org/UA/MachineVision";
const OWN: &str = "urn:snarm:station";

/// Numbers of OPC 40100-1.
const RESULT_ID: u32 = 3021;
const RESULT_READY: u32 = 1024;
const OPERATIONAL: u32 = 5031;
const CONTINUOUS_EXECUTION: u32 = 5059;

const PASSWORD: &str = "the password";

/// Makes key and certificate of a client. False where there is no openssl.
pub(crate) fn certificate(dir: &Path, name: &str) -> bool {
    if Command::new("openssl").arg("version").output().is_err() {
        skip("openssl", "no openssl on this machine");
        return false;
    }
    let line = format!(
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem \
         -addext subjectAltName=URI:urn:{name},DNS:localhost"
    );
    let output = Command::new("openssl")
        .args(line.split_whitespace())
        .current_dir(dir)
        .output()
        .expect("openssl starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let der = format!("x509 -in {name}.pem -outform DER -out {name}.der");
    let made =
        Command::new("openssl").args(der.split(' ')).current_dir(dir).status().expect("openssl starts");
    made.success()
}

/// A client with its session.
pub(crate) struct Client {
    runtime: tokio::runtime::Runtime,
    session: Arc<Session>,
    vision: u16,
    own: u16,
    types: Arc<DataTypeTree>,
    /// Ids of the results that events told of, as they came, and numbers of results by a variable.
    events: Arc<Mutex<Vec<i64>>>,
    numbers: Arc<Mutex<Vec<i64>>>,
}

impl Client {
    pub(crate) fn connect(
        dir: &Path,
        port: u16,
        policy: SecurityPolicy,
        token: IdentityToken,
    ) -> Result<Self, StatusCode> {
        let runtime = tokio::runtime::Runtime::new().expect("threads");
        let mode = match policy {
            SecurityPolicy::None => MessageSecurityMode::None,
            _ => MessageSecurityMode::SignAndEncrypt,
        };
        let name = "reader";
        let builder = ClientBuilder::new()
            .application_name(name)
            .application_uri(format!("urn:{name}"))
            .pki_dir(dir.join("pki-client"))
            .certificate_path(dir.join(format!("{name}.der")))
            .private_key_path(dir.join(format!("{name}.key")))
            .trust_server_certs(true)
            .max_message_size(1 << 22)
            .session_retry_limit(0);
        let connect = async {
            let mut client = builder.client().expect("a client");
            let url = format!("opc.tcp://127.0.0.1:{port}/");
            let endpoint = (url.as_str(), policy.to_str(), mode, UserTokenPolicy::anonymous());
            let (session, events) =
                client.connect_to_matching_endpoint(endpoint, token).await.map_err(|error| error.status())?;
            let ended = events.spawn();
            tokio::select! {
                _ = session.wait_for_connection() => Ok(session),
                ended = ended => Err(ended.expect("the client goes on")),
            }
        };
        let session = runtime.block_on(connect)?;
        let learn = async {
            let vision = session.get_namespace_index(VISION).await?;
            let own = session.get_namespace_index(OWN).await?;
            let types = DataTypeTreeBuilder::new(|id| id.namespace == vision).build(&session).await?;
            Ok::<_, Error>((vision, own, Arc::new(types)))
        };
        let (vision, own, types) = runtime.block_on(learn).expect("types");
        session.add_type_loader(Arc::new(DynamicTypeLoader::new(Arc::clone(&types))));
        Ok(Self { runtime, session, vision, own, types, events: Arc::default(), numbers: Arc::default() })
    }

    fn trusted(dir: &Path, port: u16) -> Self {
        let policy = SecurityPolicy::Basic256Sha256;
        Self::connect(dir, port, policy, user(PASSWORD)).expect("it may connect")
    }

    fn own(&self, path: &str) -> NodeId {
        NodeId::new(self.own, path.to_owned())
    }

    fn value(&self, path: &str) -> DataValue {
        let read = [ReadValueId::new_value(self.own(path))];
        let read = self.session.read(&read, TimestampsToReturn::Both, 0.0);
        self.runtime.block_on(read).expect("an answer").remove(0)
    }

    fn read(&self, path: &str) -> Variant {
        let found = self.value(path);
        assert!(found.status().is_good(), "{path}: {}", found.status());
        found.value.unwrap_or_default()
    }

    fn number(&self, path: &str) -> i64 {
        match self.read(path) {
            Variant::Int64(number) => number,
            Variant::UInt64(number) => number as i64,
            Variant::UInt32(number) => i64::from(number),
            other => panic!("{path}: {other:?}"),
        }
    }

    fn text(&self, path: &str) -> String {
        text(&self.read(path))
    }

    /// A structure with an `Id`.
    fn id(&self, kind: u32, id: &str) -> Variant {
        let kind = self.types.get_struct_type(&NodeId::new(self.vision, kind)).expect("a data type");
        let made = DynamicStructure::new_struct(Arc::clone(kind), Arc::clone(&self.types), vec![id.into()]);
        ExtensionObject::new(made.expect("a structure")).into()
    }

    fn call(&self, line: &str, method: &str, given: Vec<Variant>) -> Result<Vec<Variant>, StatusCode> {
        let management = format!("{line}/ResultManagement");
        let request = CallMethodRequest {
            object_id: self.own(&management),
            method_id: self.own(&format!("{management}/{method}")),
            input_arguments: Some(given),
        };
        let answer = self.runtime.block_on(self.session.call_one(request)).expect("an answer");
        match answer.status_code.is_good() {
            true => Ok(answer.output_arguments.unwrap_or_default()),
            false => Err(answer.status_code),
        }
    }

    /// Ids of the results of a line in a state, from one on, and whether these are all.
    pub(crate) fn list(&self, state: i32, most: u32, start: u32) -> (Vec<i64>, bool) {
        let mut given = vec![Variant::from(state)];
        given.extend((0..8).map(|_| Variant::from(ExtensionObject::null())));
        given.extend([Variant::from(most), Variant::from(start), Variant::from(0)]);
        let answer = self.call("belt", "GetResultListFiltered", given).expect("a list");
        let Variant::Array(results) = &answer[3] else { panic!("{answer:?}") };
        assert_eq!(answer[1], Variant::from(results.values.len() as u32));
        (results.values.iter().map(result_id).collect(), answer[0] == Variant::from(true))
    }

    /// Ids of all results that are kept.
    fn kept(&self) -> Vec<i64> {
        let mut all = Vec::new();
        loop {
            let (found, is_complete) = self.list(0, 7, all.len() as u32);
            all.extend(found);
            if is_complete {
                return all;
            }
        }
    }

    /// Hears of results from now on, by events of the line and by the number of the last one.
    pub(crate) fn subscribe(&self) {
        let (events, numbers) = (Arc::clone(&self.events), Arc::clone(&self.numbers));
        let heard = SubscriptionCallbacks::new(
            |_| {},
            move |value, _| {
                if let Some(Variant::Int64(number)) = value.value {
                    numbers.lock().expect("numbers").push(number);
                }
            },
            move |fields, _| {
                let fields = fields.expect("fields");
                let id = inner(&fields[0], "Id");
                assert!(text(&fields[1]).starts_with("Belt: "), "{fields:?}");
                assert_eq!(fields[2], Variant::from(false), "it is no partial result");
                events.lock().expect("events").push(id.parse().expect("a number"));
            },
        );
        // The server looks for a field in the type that it is asked of, and not in those that this one is made from.
        let kind = |namespace| match namespace {
            0 => ObjectTypeId::BaseEventType.into(),
            _ => NodeId::new(self.vision, RESULT_READY),
        };
        let field = |namespace, name: &str| SimpleAttributeOperand {
            type_definition_id: kind(namespace),
            browse_path: Some(vec![QualifiedName::new(namespace, name)]),
            attribute_id: AttributeId::Value as u32,
            ..SimpleAttributeOperand::default()
        };
        let filter = EventFilter {
            select_clauses: Some(vec![
                field(self.vision, "ResultId"),
                field(0, "Message"),
                field(self.vision, "IsPartial"),
            ]),
            ..EventFilter::default()
        };
        let item = |node: NodeId, attribute: AttributeId, filter: ExtensionObject, handle: u32| {
            MonitoredItemCreateRequest {
                item_to_monitor: ReadValueId::new(node, attribute),
                monitoring_mode: MonitoringMode::Reporting,
                requested_parameters: MonitoringParameters {
                    client_handle: handle,
                    queue_size: 1000,
                    discard_oldest: true,
                    filter,
                    ..MonitoringParameters::default()
                },
            }
        };
        let items = vec![
            item(self.own("belt"), AttributeId::EventNotifier, ExtensionObject::from_message(filter), 1),
            item(
                self.own("belt/ResultManagement/Results/Latest/Number"),
                AttributeId::Value,
                ExtensionObject::null(),
                2,
            ),
        ];
        let subscribe = async {
            let period = std::time::Duration::from_millis(100);
            let id = self.session.create_subscription(period, 3000, 100, 0, 0, true, heard).await?;
            self.session.create_monitored_items(id, TimestampsToReturn::Both, items).await
        };
        for made in self.runtime.block_on(subscribe).expect("a subscription") {
            assert!(made.result.status_code.is_good(), "{made:?}");
        }
    }

    pub(crate) fn heard(&self) -> Vec<i64> {
        self.events.lock().expect("events").clone()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // A station that was killed says no good-bye.
        self.session.disable_reconnects();
        let _ = self.runtime.block_on(async {
            tokio::time::timeout(std::time::Duration::from_secs(1), self.session.disconnect()).await
        });
    }
}

fn text(value: &Variant) -> String {
    match value {
        Variant::String(text) => text.to_string(),
        Variant::LocalizedText(text) => text.text.to_string(),
        other => panic!("no text: {other:?}"),
    }
}

/// A text in a structure.
fn inner(value: &Variant, field: &str) -> String {
    let Variant::ExtensionObject(object) = value else { panic!("no structure: {value:?}") };
    let structure = object.inner_as::<DynamicStructure>().expect("a structure of the server");
    match structure.get_field_by_name(field) {
        Some(Variant::String(text)) => text.to_string(),
        Some(nested @ Variant::ExtensionObject(_)) => inner(nested, "Id"),
        other => panic!("{field}: {other:?}"),
    }
}

fn result_id(value: &Variant) -> i64 {
    inner(value, "ResultId").parse().expect("a number")
}

fn user(password: &str) -> IdentityToken {
    IdentityToken::UserName("scada".to_owned(), password.into())
}

fn output(dir: &Path, port: u16, more: &str) -> String {
    std::fs::write(dir.join("users"), format!("# people\nscada:{PASSWORD}\n")).expect("a file");
    format!(
        "[line.parts]\nby = 'frames'\nframes = 1\n[[output]]\nkind = 'opcua'\nname = 'scada'\n\
         listen = '127.0.0.1:{port}'\nsend = 'parts'\n{more}"
    )
}

fn is_up(station: &Station, visitor: &Visitor) -> bool {
    station.metric(visitor, "snarm_output_up") == 1.0
}

#[test]
fn a_client_hears_of_every_result_once_and_finds_what_it_missed_though_the_station_is_killed() {
    let Some(dir) = learned() else { return };
    let dir = dir.path();
    if !certificate(dir, "reader") {
        return;
    }
    let port = free_port();
    let more = output(dir, port, "users-file = 'users'\n");
    let mut station = Station::start(dir, &more);
    let admin = station.set_up();
    // It makes its own key first.
    until("the server is up", || is_up(&station, &admin));

    // Who is not trusted does not come in; its certificate is kept, and is moved to those that are trusted.
    let policy = SecurityPolicy::Basic256Sha256;
    assert!(Client::connect(dir, port, policy, user(PASSWORD)).is_err(), "nobody trusts it yet");
    let folder = dir.join("data/opcua/scada");
    let rejected = || -> Vec<PathBuf> {
        let all = std::fs::read_dir(folder.join("pki/rejected")).expect("a folder");
        all.map(|file| file.expect("a file").path()).collect()
    };
    let unknown = rejected();
    assert_eq!(unknown.len(), 1, "{unknown:?}");
    std::fs::rename(&unknown[0], folder.join("trusted/line control.der")).expect("it is moved");
    until("it is trusted", || Client::connect(dir, port, policy, user(PASSWORD)).is_ok());
    let wrong = Client::connect(dir, port, policy, user("another password")).err();
    assert_eq!(wrong, Some(StatusCode::BadUserAccessDenied));
    let nobody = Client::connect(dir, port, policy, IdentityToken::Anonymous).err();
    assert!(nobody.is_some_and(|status| status.is_bad()), "{nobody:?}");
    let open = Client::connect(dir, port, SecurityPolicy::None, user(PASSWORD)).err();
    assert!(open.is_some_and(|status| status.is_bad()), "no endpoint without encryption: {open:?}");

    let client = Client::trusted(dir, port);
    client.subscribe();
    until("results come", || client.heard().len() > 4);
    // State, bank and counters are those of the page.
    assert_eq!(client.text("belt/VisionStateMachine/CurrentState"), "Operational");
    let state = |machine: &str| client.read(&format!("{machine}/CurrentState/Id"));
    let vision = |number: u32| Variant::from(NodeId::new(client.vision, number));
    assert_eq!(state("belt/VisionStateMachine"), vision(OPERATIONAL));
    let automatic = "belt/VisionStateMachine/AutomaticModeStateMachine";
    assert_eq!(state(automatic), vision(CONTINUOUS_EXECUTION));
    assert_eq!(client.number("belt/RecipeManagement/BankVersion"), 1);
    assert_eq!(inner(&client.read("belt/RecipeManagement/InUse"), "Version"), "1");
    until("parts are counted", || client.number("belt/Counters/Parts") > 4);
    let parts = client.number("belt/Counters/Parts");
    assert!(client.number("belt/Counters/Frames") >= parts);
    assert!(client.number("belt/LastPart/Number") >= parts);
    let beats = client.number("Station/Heartbeat");
    until("it lives", || client.number("Station/Heartbeat") > beats);

    // The last result is that of the page; by its number it is found again.
    let latest = "belt/ResultManagement/Results/Latest";
    let id = result_id(&client.read(latest));
    let record: Value = serde_json::from_str(&client.text(&format!("{latest}/Record"))).expect("JSON");
    assert!(record["id"].as_i64() >= Some(id) && record["bank-id"].is_string(), "{record}");
    let part = admin.get(&format!("/api/lines/belt/parts/{}", record["number"])).json();
    for name in ["verdict", "score", "first", "ended"] {
        assert_eq!(record[name], part[name], "{name}");
    }
    let words = ["normal", "uncertain", "anomalous"];
    assert!(words.contains(&client.text(&format!("{latest}/Verdict")).as_str()));
    let found = client.call("belt", "GetResultById", vec![client.id(RESULT_ID, &id.to_string()), 0.into()]);
    let found = found.expect("a result");
    assert_eq!((result_id(&found[1]), &found[2]), (id, &Variant::from(0)));
    assert_eq!(inner(&found[1], "InternalRecipeId"), "belt");
    let ask = vec![client.id(RESULT_ID, &id.to_string()), 0.into()];
    let components = client.call("belt", "GetResultComponentsById", ask).expect("components");
    assert_eq!((components.len(), &components[2]), (17, &Variant::from(false)));
    assert_eq!(components[4], Variant::from(1), "it is complete");
    // One that there is not is told by its error; arguments that are none are refused.
    let gone = client.call("belt", "GetResultById", vec![client.id(RESULT_ID, "999999"), 0.into()]);
    assert_eq!(gone.expect("an answer")[2], Variant::from(-1));
    assert_eq!(
        client.call("belt", "GetResultById", vec![7.into(), 0.into()]).err(),
        Some(StatusCode::BadInvalidArgument)
    );
    // Nothing can be written.
    let write = opcua::types::WriteValue::value_attr(client.own("Station/Heartbeat"), 0_u32.into());
    let written = client.runtime.block_on(client.session.write(&[write])).expect("an answer");
    assert!(written[0].is_bad(), "{written:?}");
    // Events are of every result from the first on, once, in order.
    let heard = client.heard();
    let kept = client.kept();
    let first = kept.iter().position(|id| *id == heard[0]).expect("it is kept");
    assert_eq!(kept[first..first + heard.len()], heard);
    assert!(client.numbers.lock().expect("numbers").is_sorted());
    assert_eq!(client.list(4, 0, 0).0, Vec::<i64>::new(), "none failed");
    drop(client);

    // Killed and started again, it has what it had, and goes on.
    station.kill();
    let station = Station::start(dir, &more);
    let admin = station.sign_in(ADMIN);
    until("the server is up again", || is_up(&station, &admin));
    let client = Client::trusted(dir, port);
    client.subscribe();
    until("results come again", || client.heard().len() > 2);
    let again = client.kept();
    assert_eq!(again[..kept.len()], kept, "what was kept is kept");
    let heard = client.heard();
    let first = again.iter().position(|id| *id == heard[0]).expect("it is kept");
    assert_eq!(again[first..first + heard.len()], heard);
    assert!(again.windows(2).all(|two| two[0] < two[1]), "{again:?}");
    until("what is kept waits for nothing", || waiting(&station, &admin) == 0.0);
}

#[test]
fn anybody_reads_an_open_server_which_keeps_as_many_results_as_it_says() {
    let Some(dir) = learned() else { return };
    let dir = dir.path();
    if !certificate(dir, "reader") {
        return;
    }
    let port = free_port();
    // Its certificate is given.
    let more = output(
        dir,
        port,
        "anonymous = 'always'\nunencrypted = true\nkeep = 3\ncertificate = 'reader.pem'\nkey = 'reader.key'\n\
         trusted-clients = 'clients'\n",
    );
    let station = Station::start(dir, &more);
    let admin = station.set_up();
    until("the server is up", || is_up(&station, &admin));
    let client =
        Client::connect(dir, port, SecurityPolicy::None, IdentityToken::Anonymous).expect("anybody may read");
    until("the oldest go", || client.kept().first().is_some_and(|id| *id > 5));
    client.subscribe();
    until("results come", || client.heard().len() > 2);
    assert_eq!(client.text("belt/Detail"), "");
}

#[test]
fn a_server_that_cannot_serve_says_why() {
    let Some(dir) = learned() else { return };
    let dir = dir.path();
    let port = free_port();
    let more = output(dir, port, "users-file = 'nobody'\n");
    let station = Station::start(dir, &more);
    let admin = station.set_up();
    let lamps = || admin.get("/api/lines/belt").json()["lamps"].to_string();
    until("it is told", || lamps().contains("users-file: cannot read"));
    assert!(lamps().contains("nobody") && !is_up(&station, &admin), "{}", lamps());
}
