//! Parameters and keys, as answered to a person and to a program; and what a secret must not come from.

use fleetwright_cli::Exit;
use fleetwright_proto::control::keys_server::Keys;
use fleetwright_proto::control::parameters_server::Parameters;
use fleetwright_proto::control::*;
use tonic::{Request, Response, Status};

use crate::controller::{Asked, Script, Shared};
use crate::fleet::*;

fn parameter(name: &str, parameter_type: &str, value: Option<&str>) -> Parameter {
    Parameter {
        name: name.into(),
        r#type: parameter_type.into(),
        value: value.map(str::to_owned),
        version: 3,
        labels: vec!["prod".into()],
        modified_ms: NOW_MS - 3_600_000,
        modified_by: "ada".into(),
        data_type: "text".into(),
        tier: "Standard".into(),
        key_id: if value.is_none() { "alias/aws/ssm".into() } else { String::new() },
        description: "what serves".into(),
        ..Parameter::default()
    }
}

fn key(name: &str, state: &str, deletion_ms: i64) -> Key {
    Key {
        name: name.into(),
        state: state.into(),
        version: 2,
        created_ms: NOW_MS - 86_400_000,
        created_by: "ada".into(),
        rotated_ms: NOW_MS - 3_600_000,
        deletion_ms,
        ..Key::default()
    }
}

fn script() -> Script {
    Script {
        parameters: vec![
            parameter("/app/db/password", "SecureString", None),
            parameter("/app/url", "String", Some("https://app.example")),
            parameter("hosts", "StringList", Some("web-1,web-2")),
        ],
        keys: vec![
            key("alias/aws/ssm", "Enabled", 0),
            key("alias/k", "PendingDeletion", NOW_MS + 604_800_000),
        ],
        ..Script::default()
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Parameters for Shared {
    async fn put_parameter(&self, request: Request<PutParameterRequest>) -> Answer<PutParameterResponse> {
        self.note(Asked::PutParameter(request.into_inner()))?;
        Ok(Response::new(PutParameterResponse { version: 4, tier: "Standard".into() }))
    }

    async fn get_parameter(&self, request: Request<GetParameterRequest>) -> Answer<GetParameterResponse> {
        self.check()?;
        let GetParameterRequest { name, decrypt } = request.into_inner();
        let script = self.script.lock().unwrap();
        let mut found = script.parameters.iter().find(|found| found.name == name).cloned();
        if let Some(found) = &mut found
            && decrypt
            && found.value.is_none()
        {
            found.value = Some("hunter2".into());
        }
        let parameter = found.ok_or_else(|| Status::not_found(format!("Parameter {name} not found.")))?;
        Ok(Response::new(GetParameterResponse { parameter: Some(parameter) }))
    }

    async fn list_parameters(
        &self,
        request: Request<ListParametersRequest>,
    ) -> Answer<ListParametersResponse> {
        self.check()?;
        let request = request.into_inner();
        let mut parameters = self.script.lock().unwrap().parameters.clone();
        for filter in request.filters.iter().filter(|filter| filter.option == "Equals") {
            parameters
                .retain(|found| filter.values.contains(&found.name) || filter.values.contains(&found.r#type));
        }
        if !request.values {
            parameters.iter_mut().for_each(|found| found.value = None);
        }
        Ok(Response::new(ListParametersResponse { parameters, next_page_token: String::new() }))
    }

    async fn get_parameter_history(
        &self,
        _: Request<GetParameterHistoryRequest>,
    ) -> Answer<GetParameterHistoryResponse> {
        self.check()?;
        let last = self.script.lock().unwrap().parameters[1].clone();
        let first =
            Parameter { version: 1, value: Some("http://old".into()), labels: Vec::new(), ..last.clone() };
        let versions = vec![first, last];
        Ok(Response::new(GetParameterHistoryResponse { versions, next_page_token: String::new() }))
    }

    async fn label_parameter(
        &self,
        request: Request<LabelParameterRequest>,
    ) -> Answer<LabelParameterResponse> {
        self.check()?;
        let request = request.into_inner();
        let (invalid, _) = request.add.into_iter().partition(|label| label.starts_with("aws"));
        Ok(Response::new(LabelParameterResponse { version: 3, removed: request.remove, invalid }))
    }

    async fn delete_parameter(&self, _: Request<DeleteParameterRequest>) -> Answer<DeleteParameterResponse> {
        self.check()?;
        Ok(Response::new(DeleteParameterResponse {}))
    }

    async fn change_parameter_tags(
        &self,
        request: Request<ChangeParameterTagsRequest>,
    ) -> Answer<ChangeParameterTagsResponse> {
        self.check()?;
        Ok(Response::new(ChangeParameterTagsResponse { tags: request.into_inner().set }))
    }
}

#[tonic::async_trait]
impl Keys for Shared {
    async fn create_key(&self, request: Request<CreateKeyRequest>) -> Answer<CreateKeyResponse> {
        self.check()?;
        Ok(Response::new(CreateKeyResponse { key: Some(key(&request.into_inner().name, "Enabled", 0)) }))
    }

    async fn list_keys(&self, _: Request<ListKeysRequest>) -> Answer<ListKeysResponse> {
        self.check()?;
        let keys = self.script.lock().unwrap().keys.clone();
        let (root_mark, root_place) = ("0011223344556677".into(), "/var/lib/fleetwright-root-key".into());
        Ok(Response::new(ListKeysResponse { keys, root_mark, root_place }))
    }

    async fn change_key(&self, request: Request<ChangeKeyRequest>) -> Answer<ChangeKeyResponse> {
        self.check()?;
        let request = request.into_inner();
        let changed = match request.change() {
            KeyChange::Delete => {
                key(&request.name, "PendingDeletion", NOW_MS + i64::from(request.days) * 86_400_000)
            }
            KeyChange::Enable => key(&request.name, "Enabled", 0),
            _ => key(&request.name, "Disabled", 0),
        };
        Ok(Response::new(ChangeKeyResponse { key: Some(changed) }))
    }

    async fn rotate_key(&self, request: Request<RotateKeyRequest>) -> Answer<RotateKeyResponse> {
        self.check()?;
        let key = Some(key(&request.into_inner().name, "Enabled", 0));
        Ok(Response::new(RotateKeyResponse { key, resealed: 7, verified: 7 }))
    }

    async fn rotate_root_key(&self, _: Request<RotateRootKeyRequest>) -> Answer<RotateRootKeyResponse> {
        self.check()?;
        Ok(Response::new(RotateRootKeyResponse { root_mark: "8899aabbccddeeff".into() }))
    }
}

/// The answer of each line in all three formats; on a terminal too.
#[tokio::test]
async fn answers_are_golden() {
    let fleet = Fleet::start(script()).await;
    for (name, line) in [
        ("parameter_put", "parameter put /app/url https://new.example --overwrite"),
        ("parameter_get", "parameter get /app/url"),
        ("parameter_get_secret", "parameter get /app/db/password"),
        ("parameter_get_decrypt", "parameter get /app/db/password --decrypt"),
        ("parameter_get_raw", "parameter get /app/url --raw"),
        ("parameter_list", "parameter list"),
        ("parameter_list_values", "parameter list --values"),
        ("parameter_tree", "parameter tree"),
        ("parameter_history", "parameter history /app/url"),
        ("parameter_label", "parameter label /app/url prod"),
        ("parameter_label_bad", "parameter label /app/url prod awsome"),
        ("parameter_unlabel", "parameter unlabel /app/url prod --version 3"),
        ("parameter_tag", "parameter tag /app/url team=web"),
        ("parameter_delete", "parameter delete /app/url --yes"),
        ("parameter_export", "parameter export"),
        ("key_list", "key list"),
        ("key_create", "key create alias/k"),
        ("key_rotate", "key rotate alias/k"),
        ("key_rotate_root", "key rotate --root"),
        ("key_disable", "key disable alias/k"),
        ("key_delete", "key delete alias/k --days 7 --yes"),
    ] {
        let mut golden = String::new();
        for format in ["table", "json", "jsonl"] {
            let ended = fleet.types(&format!("{line} -o {format}")).await;
            golden.push_str(&format!("=== piped -o {format}\n{}", ended.text()));
        }
        let ended = fleet.types_at(Seat::at_terminal(""), line).await;
        golden.push_str(&format!("=== 80 columns\n{}", ended.text()));
        insta::assert_snapshot!(name, golden);
    }
}

#[tokio::test]
async fn a_secret_is_never_an_argument() {
    let fleet = Fleet::start(script()).await;
    for line in [
        "parameter put /app/new hunter2 --type SecureString",
        "parameter put /app/new hunter2 --key alias/k",
        "parameter put /app/db/password hunter2 --overwrite",
    ] {
        let ended = fleet.types(line).await;
        assert_eq!(ended.exit, Exit::Usage, "{line}");
        assert!(
            ended.stderr.contains("--value-file") && !ended.stderr.contains("hunter2"),
            "{}",
            ended.stderr
        );
    }
    let nobody = fleet.types("parameter put /app/new --type SecureString").await;
    assert_eq!((nobody.exit, nobody.stderr.contains("nobody is at the terminal")), (Exit::Usage, true));
    assert!(fleet.controller.asked().is_empty(), "nothing was sent");
}

#[tokio::test]
async fn a_secret_is_asked_for_or_read() {
    let fleet = Fleet::start(script()).await;
    let asked =
        fleet.types_at(Seat::at_terminal("hunter2\n"), "parameter put /app/new --type SecureString").await;
    assert_eq!(asked.exit, Exit::Done, "{}", asked.text());
    assert!(!asked.text().contains("hunter2"));
    let piped = Seat { stdin: "hunter3\n", ..Seat::default() };
    fleet.types_at(piped, "parameter put /app/new --type SecureString --value-file -").await;
    let exact = Seat { stdin: "hunter4\n", ..Seat::default() };
    fleet.types_at(exact, "parameter put /app/new --type SecureString --value-file - --exact").await;
    let values: Vec<_> = fleet
        .controller
        .asked()
        .into_iter()
        .filter_map(|asked| match asked {
            Asked::PutParameter(request) => Some(request.value),
            _ => None,
        })
        .collect();
    assert_eq!(values, ["hunter2", "hunter3", "hunter4\n"]);
}

#[tokio::test]
async fn what_was_exported_can_be_imported() {
    let fleet = Fleet::start(script()).await;
    let exported = fleet.types("parameter export").await;
    assert!(exported.stderr.contains("1 secrets are left out"), "{}", exported.stderr);
    let text: &'static str = String::from_utf8(exported.stdout).unwrap().leak();
    let imported = fleet.types_at(Seat { stdin: text, ..Seat::default() }, "parameter import -").await;
    assert_eq!(imported.exit, Exit::Done, "{}", imported.text());
    let names: Vec<_> = fleet
        .controller
        .asked()
        .into_iter()
        .filter_map(|asked| match asked {
            Asked::PutParameter(request) => Some((request.name, request.value)),
            _ => None,
        })
        .collect();
    let wanted = [("/app/url", "https://app.example"), ("hosts", "web-1,web-2")];
    assert_eq!(names, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let wrong = Seat { stdin: "{\"parameters\": [{\"name\": 1}]}", ..Seat::default() };
    let refused = fleet.types_at(wrong, "parameter import -").await;
    assert_eq!(refused.exit, Exit::Usage);
    assert!(refused.stderr.contains("parameter export"), "{}", refused.stderr);
}
