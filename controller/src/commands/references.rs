//! References to stored parameters in a command's document: `{{ssm:name}}` and `{{ssm-secure:name}}` (reference,
//! sections 1.6 and 1.7). They are resolved once, when the command is sent: every node runs with the same values, and
//! the command's record says which.

use std::collections::BTreeMap;

use fleetwright_documents::{Action, Bound, Document, Reference, StoredValue};

use crate::error::Refusal;
use crate::house::House;
use crate::parameters::fault::{Fault, ParameterError};
use crate::parameters::kinds::ParameterType;
use crate::parameters::read::{self, Decryption};

/// The values with everything in them that the document refers to.
pub(super) async fn resolve(house: &House, document: &Document, bound: Bound) -> Result<Bound, Refusal> {
    let references = document.references(&bound);
    if references.is_empty() {
        return Ok(bound);
    }
    let mut stored = BTreeMap::new();
    let mut secrets = BTreeMap::new();
    for reference in references {
        if !reference.secure {
            if let Some(value) = plain(house, &reference).await? {
                stored.insert(reference, value);
            }
        } else if document.steps().iter().any(|step| step.action == Action::DownloadContent) {
            let value = secret(house, &reference).await?;
            secrets.insert(reference, value);
        }
        // Elsewhere a secure reference is text like any other: nothing pastes a secret.
    }
    let resolved = document.resolve(&bound, &stored).map_err(|errors| {
        let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
        Refusal::invalid(format!("references cannot be resolved: {}", lines.join("; ")))
    })?;
    Ok(resolved.with_secrets(secrets))
}

/// None when there is no such parameter.
async fn plain(house: &House, reference: &Reference) -> Result<Option<StoredValue>, Refusal> {
    let found = match read::get(house, &reference.to_string(), Decryption::No).await {
        Ok(found) => found,
        Err(ParameterError {
            fault: Fault::ParameterNotFound | Fault::ParameterVersionNotFound | Fault::Validation,
            ..
        }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(Some(match found.parameter_type {
        ParameterType::SecureString => StoredValue::SecureString,
        ParameterType::String => StoredValue::String(found.value.expose().to_owned()),
        ParameterType::StringList => {
            let items = found.value.expose().split(',').map(str::to_owned);
            StoredValue::StringList(items.collect())
        }
    }))
}

async fn secret(house: &House, reference: &Reference) -> Result<String, Refusal> {
    let found = read::get(house, &reference.name, Decryption::Yes).await;
    let found = found.map_err(|error| Refusal {
        message: format!("the reference to the secret {} cannot be resolved: {error}", reference.name),
        ..Refusal::from(error)
    })?;
    if found.parameter_type != ParameterType::SecureString {
        return Err(Refusal::invalid(format!(
            "the stored parameter {} is a {} and no secret: refer to it as ssm",
            reference.name, found.parameter_type
        )));
    }
    Ok(found.value.expose().to_owned())
}
