//! `fleetwright.control.v1.Nodes`.

use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::control::nodes_server::Nodes;
use fleetwright_proto::control::{
    ChangeTagsRequest, ChangeTagsResponse, CreateGroupRequest, CreateGroupResponse, DeleteGroupRequest,
    DeleteGroupResponse, DeregisterNodeRequest, DeregisterNodeResponse, GetGroupRequest, GetGroupResponse,
    GetNodeRequest, GetNodeResponse, Group, ListGroupsRequest, ListGroupsResponse, ListNodesRequest,
    ListNodesResponse, Node, PingStatus, Target, WaitNodesRequest, WaitNodesResponse,
};
use tonic::{Request, Response, Status};

use super::page;
use crate::access::policy::{Action, Kind, Resource};
use crate::doors::access::Asker;
use crate::error::Refusal;
use crate::house::House;
use crate::nodes::departures;
use crate::nodes::groups::{self, GroupRecord, NewGroup};
use crate::nodes::operations::{self, NodeView, Ping};
use crate::nodes::records::{Facts, NodeRecord};
use crate::nodes::targets::Selector;

/// Translates between the wire and [`operations`].
#[derive(Debug)]
pub struct NodesDoor {
    house: Arc<House>,
}

impl NodesDoor {
    #[must_use]
    pub fn new(house: Arc<House>) -> Self {
        Self { house }
    }
}

#[tonic::async_trait]
impl Nodes for NodesDoor {
    async fn list_nodes(
        &self,
        request: Request<ListNodesRequest>,
    ) -> Result<Response<ListNodesResponse>, Status> {
        let ListNodesRequest { targets, ping_status, page_size, page_token } = request.into_inner();
        let ping = match PingStatus::try_from(ping_status) {
            Ok(PingStatus::Unspecified) => None,
            Ok(PingStatus::Online) => Some(Ping::Online),
            Ok(PingStatus::ConnectionLost) => Some(Ping::ConnectionLost),
            Ok(PingStatus::NeverConnected) => Some(Ping::NeverConnected),
            Err(_) => return Err(Refusal::invalid(format!("{ping_status} is not a ping status")).into()),
        };
        let after = page::after(&page_token)?;
        let (nodes, next) =
            operations::list(&self.house, &selectors(targets)?, ping, after, page::size(page_size)).await?;
        let nodes = nodes.into_iter().map(node).collect();
        Ok(Response::new(ListNodesResponse { nodes, next_page_token: page::token(next) }))
    }

    async fn get_node(&self, request: Request<GetNodeRequest>) -> Result<Response<GetNodeResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let view = operations::view(&self.house, &request.into_inner().node).await?;
        asker.may(&self.house, &Resource::Node(&view.id, &view.record))?;
        Ok(Response::new(GetNodeResponse { node: Some(node(view)) }))
    }

    async fn change_tags(
        &self,
        request: Request<ChangeTagsRequest>,
    ) -> Result<Response<ChangeTagsResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let ChangeTagsRequest { node: wanted, set, remove } = request.into_inner();
        let (id, record) = operations::resolve(&self.house, &wanted).await?;
        let resource = Resource::Node(&id, &record);
        if !set.is_empty() || remove.is_empty() {
            asker.may_do(&self.house, Action::AddTagsToResource, &resource)?;
        }
        if !remove.is_empty() {
            asker.may_do(&self.house, Action::RemoveTagsFromResource, &resource)?;
        }
        let view =
            operations::change_tags(&self.house, id.as_str(), set.into_iter().collect(), &remove).await?;
        Ok(Response::new(ChangeTagsResponse { node: Some(node(view)) }))
    }

    async fn wait_nodes(
        &self,
        request: Request<WaitNodesRequest>,
    ) -> Result<Response<WaitNodesResponse>, Status> {
        let WaitNodesRequest { targets, count, timeout_ms } = request.into_inner();
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let timeout = Duration::from_millis(timeout_ms);
        let nodes = operations::wait(&self.house, &selectors(targets)?, count, timeout).await?;
        Ok(Response::new(WaitNodesResponse { nodes: nodes.into_iter().map(node).collect() }))
    }

    async fn deregister_node(
        &self,
        request: Request<DeregisterNodeRequest>,
    ) -> Result<Response<DeregisterNodeResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let (id, record) = operations::resolve(&self.house, &request.into_inner().node).await?;
        asker.may(&self.house, &Resource::Node(&id, &record))?;
        departures::deregister(&self.house, id.as_str()).await?;
        Ok(Response::new(DeregisterNodeResponse {}))
    }

    async fn create_group(
        &self,
        request: Request<CreateGroupRequest>,
    ) -> Result<Response<CreateGroupResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let created_by = asker.principal.name.to_string();
        let CreateGroupRequest { name, description, targets } = request.into_inner();
        let targets = targets.into_iter().map(|target| (target.key, target.values)).collect();
        asker.may(&self.house, &Resource::Named(Kind::NodeGroup, &name))?;
        let wish = NewGroup { name: name.clone(), description, targets, created_by };
        let record = groups::create(&self.house, wish).await?;
        Ok(Response::new(CreateGroupResponse { group: Some(group(name, record)) }))
    }

    async fn list_groups(
        &self,
        request: Request<ListGroupsRequest>,
    ) -> Result<Response<ListGroupsResponse>, Status> {
        let ListGroupsRequest { page_size, page_token } = request.into_inner();
        let limit = page::size(page_size);
        let found = groups::list(&self.house, page::after(&page_token)?, limit).await?;
        let next = found.last().filter(|_| found.len() >= limit).map(|(name, _)| name.clone());
        let groups = found.into_iter().map(|(name, record)| group(name, record)).collect();
        Ok(Response::new(ListGroupsResponse { groups, next_page_token: page::token(next) }))
    }

    async fn get_group(
        &self,
        request: Request<GetGroupRequest>,
    ) -> Result<Response<GetGroupResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let name = request.into_inner().name;
        asker.may(&self.house, &Resource::Named(Kind::NodeGroup, &name))?;
        let record = groups::get(&self.house, &name).await?;
        Ok(Response::new(GetGroupResponse { group: Some(group(name, record)) }))
    }

    async fn delete_group(
        &self,
        request: Request<DeleteGroupRequest>,
    ) -> Result<Response<DeleteGroupResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let name = request.into_inner().name;
        asker.may(&self.house, &Resource::Named(Kind::NodeGroup, &name))?;
        groups::delete(&self.house, &name).await?;
        Ok(Response::new(DeleteGroupResponse {}))
    }
}

fn group(name: String, record: GroupRecord) -> Group {
    let GroupRecord { description, targets, created, created_by } = record;
    let targets = targets.iter().map(|selector| {
        let (key, values) = selector.parts();
        Target { key, values: values.to_vec() }
    });
    Group { name, description, targets: targets.collect(), created_ms: created.millis(), created_by }
}

/// Targets as they are written on the wire, checked.
fn selectors(targets: Vec<Target>) -> Result<Vec<Selector>, Refusal> {
    targets.into_iter().map(|target| Selector::parse(&target.key, target.values)).collect()
}

fn node(view: NodeView) -> Node {
    let NodeView { id, record, ping, last_seen } = view;
    let name = record.name().to_owned();
    let NodeRecord {
        given_name: _,
        activation,
        registered,
        key_fingerprint: _,
        certificate_expires,
        tags,
        facts,
    } = record;
    let Facts {
        agent_version,
        computer_name,
        ip_address,
        platform_type,
        platform_name,
        platform_version,
        kernel_version,
        architecture,
        cpus,
        memory_bytes,
    } = facts;
    let ping_status = match ping {
        Ping::Online => PingStatus::Online,
        Ping::ConnectionLost => PingStatus::ConnectionLost,
        Ping::NeverConnected => PingStatus::NeverConnected,
    };
    Node {
        node_id: id.to_string(),
        name,
        ping_status: ping_status.into(),
        last_seen_ms: last_seen.map_or(0, Timestamp::millis),
        registered_ms: registered.millis(),
        activation_id: activation.to_string(),
        tags: tags.into_iter().collect(),
        agent_version,
        computer_name,
        ip_address,
        platform_type,
        platform_name,
        platform_version,
        kernel_version,
        architecture,
        cpus,
        memory_bytes,
        certificate_expires_ms: certificate_expires.millis(),
    }
}
