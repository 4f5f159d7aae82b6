//! What a window will do: its next occurrences, which nodes its targets are now, its tasks in order. Nothing is
//! changed, and nothing is guessed: the same functions answer that will decide.

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::NodeId;

use super::fault::WindowError;
use super::ids::{TargetId, WindowId};
use super::operations::{self, Whole};
use super::records::{Reason, TaskTargets};
use super::run;
use crate::house::House;
use crate::nodes::operations::matching;
use crate::nodes::targets::Selector;

/// Most occurrences of one preview.
pub const OCCURRENCES_MAX: usize = 100;

/// Ids and names of the nodes that match now, or what is against asking.
pub type Matching = Result<Vec<(NodeId, String)>, String>;

/// See the head of this module.
#[derive(Debug, Clone)]
pub struct Preview {
    pub whole: Whole,
    pub occurrences: Vec<Occurrence>,
    /// The nodes of each target, or what is against asking.
    pub targets: Vec<(TargetId, Matching)>,
    /// The nodes of tasks that name theirs, in the order of the tasks.
    pub task_nodes: Vec<Option<Matching>>,
}

/// A moment at which the window is due.
#[derive(Debug, Clone)]
pub struct Occurrence {
    pub at: Timestamp,
    pub cutoff: Timestamp,
    pub end: Timestamp,
    /// Why it would start nothing, as far as its calendars say.
    pub closed: Option<Reason>,
}

/// Looks ahead. A window that is disabled shows what it would do if it were not.
pub async fn preview(house: &House, id: &WindowId, count: usize) -> Result<Preview, WindowError> {
    let whole = operations::whole(house, id).await?;
    let mut occurrences = Vec::new();
    let mut moment = house.clock.now();
    while occurrences.len() < count.min(OCCURRENCES_MAX) {
        let Some(at) = whole.window.next_after(moment) else { break };
        occurrences.push(Occurrence {
            at,
            cutoff: at.plus(whole.window.open_for()),
            end: at.plus(whole.window.duration()),
            closed: run::closed(house, &whole.window.calendars, at).await,
        });
        moment = at;
    }
    let mut targets = Vec::new();
    for (target, record) in &whole.targets {
        targets.push((target.clone(), nodes(house, &record.targets).await));
    }
    let mut task_nodes = Vec::new();
    for (_, task) in &whole.tasks {
        task_nodes.push(match &task.targets {
            TaskTargets::Nodes(names) => Some(nodes(house, &[Selector::Nodes(names.clone())]).await),
            _ => None,
        });
    }
    Ok(Preview { whole, occurrences, targets, task_nodes })
}

async fn nodes(house: &House, selectors: &[Selector]) -> Matching {
    let found = matching(house, selectors).await.map_err(|error| error.message)?;
    Ok(found.into_iter().map(|(id, node)| (id, node.name().to_owned())).collect())
}
