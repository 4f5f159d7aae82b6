//! `runtimeConfig` of schema 1.x: plugins with one or more property sets, in the order of the text (reference, 1.9).

use serde_json::Value as Json;

use super::{Check, Entry, find, find_input, start_of};
use crate::document::Step;
use crate::problems::Path;
use crate::tree::Node;

impl Check<'_, '_> {
    pub(super) fn runtime_config(&mut self, root: &Node, top: &[Entry]) -> Vec<Step> {
        let path = Path::Root.key("runtimeConfig");
        let Some(entry) = find(top, "runtimeConfig") else {
            let help = "write runtimeConfig, or schemaVersion 2.2 for a document with mainSteps";
            self.problems.error("no-steps", &start_of(root), &path, "the document has no steps", help);
            return Vec::new();
        };
        let plugins = entry.value.entries().unwrap_or_default();
        if plugins.is_empty() {
            let message = format!("found {} without plugins", entry.value.kind());
            self.problems.error(
                "no-steps",
                &entry.value.span,
                &path,
                message,
                "write a map from action to properties",
            );
        }
        plugins.iter().flat_map(|plugin| self.plugin(plugin, &path.key(&plugin.key))).collect()
    }

    fn plugin(&mut self, plugin: &Entry, path: &Path<'_>) -> Vec<Step> {
        let Some(action) = self.action(&plugin.key, &plugin.key_span, path) else { return Vec::new() };
        let Some(entries) = plugin.value.entries() else {
            let message = format!("found {}", plugin.value.kind());
            self.problems.error(
                "wrong-type",
                &plugin.value.span,
                path,
                message,
                "write a map with properties",
            );
            return Vec::new();
        };
        self.warn_unknown(entries, &["properties", "settings", "description"], path, "a plugin");
        let settings = find_input(entries, "settings").map_or(Json::Null, |entry| entry.value.to_json());
        let step = |name: String, inputs: Json| Step {
            name,
            action,
            precondition: None,
            inputs,
            settings: settings.clone(),
            runbook: None,
        };
        let properties_path = path.key("properties");
        let Some(properties) = find_input(entries, "properties") else {
            self.inputs(action, None, &plugin.value, &properties_path, false);
            return vec![step(plugin.key.clone(), Json::Null)];
        };
        let Some(sets) = properties.value.items() else {
            self.inputs(action, Some(&properties.value), &plugin.value, &properties_path, false);
            return vec![step(plugin.key.clone(), properties.value.to_json())];
        };
        let mut steps = Vec::with_capacity(sets.len());
        for (index, set) in sets.iter().enumerate() {
            self.inputs(action, Some(set), &plugin.value, &properties_path.index(index), false);
            let id = set
                .entries()
                .and_then(|entries| find_input(entries, "id"))
                .and_then(|entry| entry.value.scalar());
            let name = match id {
                Some(id) if !id.is_empty() && !steps.iter().any(|known: &Step| known.name == id) => {
                    id.to_owned()
                }
                _ if sets.len() == 1 => plugin.key.clone(),
                _ => format!("{index}.{}", plugin.key),
            };
            steps.push(step(name, set.to_json()));
        }
        steps
    }
}
