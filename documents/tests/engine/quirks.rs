//! Every row of the table of quirks is executed.

use fleetwright_documents::flow::{ProcessEnd, StepFlow, StepOutcome};
use fleetwright_documents::quirks::{Example, QUIRKS};
use fleetwright_documents::{Platform, parse};

use crate::{bind, plan, shown};

/// Everything that the example says, on one line.
fn outcome(example: &Example) -> (String, &'static str) {
    match *example {
        Example::Exit { code, shows } => {
            let outcome =
                StepOutcome::of_process(ProcessEnd::Exited(code), Platform::Linux, StepFlow::default());
            (format!("{:?} {}", outcome.status, outcome.code), shows)
        }
        Example::Document { text, arguments, shows } => {
            let checked = match parse(text.as_bytes()) {
                Ok(checked) => checked,
                Err(found) => return (format!("refused {found}"), shows),
            };
            let warnings: Vec<String> =
                checked.warnings.iter().map(|warning| format!("warning {}", warning.code)).collect();
            let planned = match bind(&checked.document, arguments) {
                Ok(bound) => shown(&plan(&checked.document, &bound, Platform::Linux)).join(" | "),
                Err(errors) => format!("refused {errors}"),
            };
            (format!("{} {planned}", warnings.join(" ")), shows)
        }
    }
}

#[test]
fn every_row_is_true() {
    for quirk in QUIRKS {
        let (found, shows) = outcome(&quirk.example);
        assert!(
            found.contains(shows),
            "section {}: {}\n  shows {found}\n  wanted {shows}",
            quirk.section,
            quirk.ours
        );
    }
}

#[test]
fn rows_are_in_the_order_of_their_sections() {
    let sections: Vec<Vec<u32>> = QUIRKS
        .iter()
        .map(|quirk| quirk.section.split('.').map(|part| part.parse().unwrap()).collect())
        .collect();
    assert!(sections.is_sorted(), "{sections:?}");
}
