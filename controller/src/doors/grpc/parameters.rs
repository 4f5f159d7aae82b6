//! `fleetwright.control.v1.Parameters`.

use std::sync::Arc;

use fleetwright_proto::control::parameters_server::Parameters;
use fleetwright_proto::control::{
    ChangeParameterTagsRequest, ChangeParameterTagsResponse, DeleteParameterRequest, DeleteParameterResponse,
    GetParameterHistoryRequest, GetParameterHistoryResponse, GetParameterRequest, GetParameterResponse,
    LabelParameterRequest, LabelParameterResponse, ListParametersRequest, ListParametersResponse, Parameter,
    ParameterPolicy, PutParameterRequest, PutParameterResponse,
};
use tonic::{Request, Response, Status};

use super::page;
use crate::access::policy::{Action, Resource};
use crate::audit::lines_of;
use crate::doors::access::{Asker, parameter_name};
use crate::error::{Kind, Refusal};
use crate::house::House;
use crate::parameters::fault::ParameterError;
use crate::parameters::filters::FilterWish;
use crate::parameters::history::{self, HistoryEntry};
use crate::parameters::kinds::ParameterType;
use crate::parameters::labels::{self, Labelled};
use crate::parameters::list::{self, Metadata};
use crate::parameters::policies::Policy;
use crate::parameters::put::{self, Overwrite, PutWish, Value};
use crate::parameters::read::{self, Decryption};
use crate::parameters::{delete, tags};

/// Translates between the wire and [`crate::parameters`].
#[derive(Debug)]
pub struct ParametersDoor {
    house: Arc<House>,
}

impl ParametersDoor {
    #[must_use]
    pub fn new(house: Arc<House>) -> Self {
        Self { house }
    }

    /// Whether the caller may do this with the parameter, under whichever of its names he called it.
    fn ask(&self, asker: &Asker, action: Action, called: &str) -> Result<(), Refusal> {
        asker.may_do(&self.house, action, &Resource::Parameter(&parameter_name(called)?))
    }

    /// Whether the caller may look into a list. Who may read the values below a path may know their names.
    fn ask_for_list(&self, asker: &Asker, request: &ListParametersRequest) -> Result<(), Refusal> {
        let fleet = || asker.may(&self.house, &Resource::Fleet);
        let below = |path| asker.may_do(&self.house, Action::GetParametersByPath, &Resource::Path(path));
        match (request.values, request.path.as_str()) {
            (false, "") => fleet(),
            (false, path) => fleet().or_else(|_| below(path)),
            (true, "") => below("/"),
            (true, path) => below(path),
        }
    }
}

impl From<ParameterError> for Status {
    fn from(error: ParameterError) -> Self {
        super::status(&error.into())
    }
}

#[tonic::async_trait]
impl Parameters for ParametersDoor {
    async fn put_parameter(
        &self,
        request: Request<PutParameterRequest>,
    ) -> Result<Response<PutParameterResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let request = request.into_inner();
        self.ask(&asker, asker.action, &request.name)?;
        let some = |text: String| (!text.is_empty()).then_some(text);
        let wish = PutWish {
            name: request.name,
            value: Value::new(request.value),
            parameter_type: some(request.r#type),
            key_id: some(request.key_id),
            overwrite: if request.overwrite { Overwrite::Yes } else { Overwrite::No },
            description: request.description,
            allowed_pattern: request.allowed_pattern,
            tags: request.tags.into_iter().collect(),
            tier: some(request.tier),
            policies: some(request.policies),
            data_type: some(request.data_type),
            by: asker.principal.name.to_string(),
            caller: Some(asker.principal.clone()),
        };
        let put = put::put(&self.house, wish).await?;
        asker.has_told();
        Ok(Response::new(PutParameterResponse { version: put.version, tier: put.tier.name().to_owned() }))
    }

    async fn get_parameter(
        &self,
        request: Request<GetParameterRequest>,
    ) -> Result<Response<GetParameterResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let GetParameterRequest { name, decrypt } = request.into_inner();
        self.ask(&asker, asker.action, &name)?;
        let found = read::get(&self.house, &name, decryption(&asker, decrypt)).await?;
        if decrypt && found.parameter_type == ParameterType::SecureString {
            asker.has_opened();
        }
        Ok(Response::new(GetParameterResponse { parameter: Some(of_read(found, decrypt)) }))
    }

    async fn list_parameters(
        &self,
        request: Request<ListParametersRequest>,
    ) -> Result<Response<ListParametersResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let request = request.into_inner();
        self.ask_for_list(&asker, &request)?;
        let after = page::after::<String>(&request.page_token)?.map(|key| key.parse()).transpose()?;
        let mut filters: Vec<_> = request.filters.into_iter().map(filter).collect();
        if !request.path.is_empty() {
            let option = if request.one_level { "OneLevel" } else { "Recursive" };
            let (key, option) = ("Path".to_owned(), Some(option.to_owned()));
            filters.push(FilterWish { key, option, values: vec![request.path] });
        }
        let found = list::describe(&self.house, &filters, after, page::size(request.page_size)).await?;
        let mut parameters = Vec::with_capacity(found.items.len());
        let mut opened = Vec::new();
        for metadata in found.items {
            let secret = metadata.parameter_type == ParameterType::SecureString;
            let value = match request.values && (!secret || request.decrypt) {
                true => {
                    // The version that is described, though there may be a newer one by now.
                    let name = format!("{}:{}", metadata.name, metadata.version);
                    match read::get(&self.house, &name, decryption(&asker, request.decrypt)).await {
                        Ok(found) => {
                            opened.extend(secret.then(|| found.key.to_string()));
                            Some(found.value.expose().to_owned())
                        }
                        // Deleted since: it is not there any more.
                        Err(error) if error.fault.kind() == Kind::NotFound => continue,
                        Err(error) => return Err(error.into()),
                    }
                }
                false => None,
            };
            parameters.push(Parameter { value, ..of_metadata(metadata) });
        }
        let now = self.house.clock.now();
        let lines = lines_of(opened.iter().map(String::as_str)).into_iter();
        let events = lines.map(|on| asker.principal.did(Action::GetParameter, on, now)).collect();
        self.house.audit.note_all_durably(events).await?;
        let next_page_token = page::token(found.next.map(|key| key.to_string()));
        Ok(Response::new(ListParametersResponse { parameters, next_page_token }))
    }

    async fn get_parameter_history(
        &self,
        request: Request<GetParameterHistoryRequest>,
    ) -> Result<Response<GetParameterHistoryResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let GetParameterHistoryRequest { name, decrypt, page_size, page_token } = request.into_inner();
        self.ask(&asker, asker.action, &name)?;
        let after = page::after(&page_token)?;
        let limit = page::size(page_size);
        let (entries, next) =
            history::history(&self.house, &name, decryption(&asker, decrypt), after, limit).await?;
        if decrypt && entries.iter().any(|entry| entry.record.parameter_type == ParameterType::SecureString) {
            asker.has_opened();
        }
        let versions = entries.into_iter().map(|entry| of_history(entry, decrypt)).collect();
        Ok(Response::new(GetParameterHistoryResponse { versions, next_page_token: page::token(next) }))
    }

    async fn label_parameter(
        &self,
        request: Request<LabelParameterRequest>,
    ) -> Result<Response<LabelParameterResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let caller = Some(&asker.principal);
        let LabelParameterRequest { name, version, add, remove } = request.into_inner();
        if !add.is_empty() || remove.is_empty() {
            self.ask(&asker, asker.action, &name)?;
        }
        if !remove.is_empty() {
            self.ask(&asker, Action::UnlabelParameterVersion, &name)?;
        }
        let mut done = Labelled::default();
        if !add.is_empty() || remove.is_empty() {
            done = labels::label(&self.house, &name, (version > 0).then_some(version), &add, caller).await?;
        }
        if !remove.is_empty() {
            let gone = labels::unlabel(&self.house, &name, version, &remove, caller).await?;
            done.version = gone.version;
            done.removed = gone.removed;
            done.invalid.extend(gone.invalid);
        }
        asker.has_told();
        let Labelled { version, removed, invalid } = done;
        Ok(Response::new(LabelParameterResponse { version, removed, invalid }))
    }

    async fn delete_parameter(
        &self,
        request: Request<DeleteParameterRequest>,
    ) -> Result<Response<DeleteParameterResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let name = request.into_inner().name;
        self.ask(&asker, asker.action, &name)?;
        delete::delete(&self.house, &name, Some(&asker.principal)).await?;
        asker.has_told();
        Ok(Response::new(DeleteParameterResponse {}))
    }

    async fn change_parameter_tags(
        &self,
        request: Request<ChangeParameterTagsRequest>,
    ) -> Result<Response<ChangeParameterTagsResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let ChangeParameterTagsRequest { name, set, remove } = request.into_inner();
        if !set.is_empty() {
            self.ask(&asker, Action::AddTagsToResource, &name)?;
        }
        if !remove.is_empty() {
            self.ask(&asker, Action::RemoveTagsFromResource, &name)?;
        }
        if set.is_empty() && remove.is_empty() {
            self.ask(&asker, Action::ListTagsForResource, &name)?;
        }
        let tags = match set.is_empty() && remove.is_empty() {
            true => tags::list(&self.house, &name).await?,
            false => {
                let caller = Some(&asker.principal);
                tags::change(&self.house, &name, &set.into_iter().collect(), &remove, caller).await?
            }
        };
        asker.has_told();
        Ok(Response::new(ChangeParameterTagsResponse { tags: tags.into_iter().collect() }))
    }
}

fn decryption(asker: &Asker, wanted: bool) -> Decryption<'_> {
    if wanted { Decryption::For(&asker.principal) } else { Decryption::No }
}

fn filter(wire: fleetwright_proto::control::ParameterFilter) -> FilterWish {
    let option = (!wire.option.is_empty()).then_some(wire.option);
    FilterWish { key: wire.key, option, values: wire.values }
}

/// A secret that was not opened has no value on this door: its ciphertext is of no use to a person.
fn shown(parameter_type: ParameterType, value: &Value, decrypt: bool) -> Option<String> {
    let shown = decrypt || parameter_type != ParameterType::SecureString;
    shown.then(|| value.expose().to_owned())
}

fn of_read(found: read::Parameter, decrypt: bool) -> Parameter {
    Parameter {
        value: shown(found.parameter_type, &found.value, decrypt),
        name: found.name,
        r#type: found.parameter_type.name().to_owned(),
        version: found.version,
        modified_ms: found.modified.millis(),
        data_type: found.data_type,
        key_id: found.key_id.unwrap_or_default(),
        ..Parameter::default()
    }
}

fn policies(policies: Vec<Policy>) -> Vec<ParameterPolicy> {
    let policy = |policy: Policy| ParameterPolicy {
        r#type: policy.rule.name().to_owned(),
        status: policy.status.name().to_owned(),
        text: policy.text,
    };
    policies.into_iter().map(policy).collect()
}

fn of_metadata(found: Metadata) -> Parameter {
    Parameter {
        name: found.name,
        r#type: found.parameter_type.name().to_owned(),
        value: None,
        version: found.version,
        labels: Vec::new(),
        modified_ms: found.modified.millis(),
        modified_by: found.modified_by,
        data_type: found.data_type,
        tier: found.tier.name().to_owned(),
        key_id: found.key_id.unwrap_or_default(),
        description: found.description.unwrap_or_default(),
        allowed_pattern: found.allowed_pattern.unwrap_or_default(),
        policies: policies(found.policies),
    }
}

fn of_history(entry: HistoryEntry, decrypt: bool) -> Parameter {
    let record = entry.record;
    Parameter {
        value: shown(record.parameter_type, &entry.value, decrypt),
        name: entry.name,
        r#type: record.parameter_type.name().to_owned(),
        version: entry.version,
        labels: entry.labels,
        modified_ms: record.modified.millis(),
        modified_by: record.modified_by,
        data_type: record.data_type,
        tier: record.tier.name().to_owned(),
        key_id: record.key_id.unwrap_or_default(),
        description: record.description.unwrap_or_default(),
        allowed_pattern: record.allowed_pattern.unwrap_or_default(),
        policies: policies(record.policies),
    }
}
