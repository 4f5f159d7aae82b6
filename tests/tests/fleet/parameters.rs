//! Parameters are whole after any death: what was acknowledged is there, and every secret opens.

use std::collections::BTreeMap;

use fleetwright_controller::error::Refusal;
use fleetwright_controller::house::House;
use fleetwright_controller::keys::rotate;
use fleetwright_controller::parameters::delete;
use fleetwright_controller::parameters::history::history;
use fleetwright_controller::parameters::kinds::ParameterType;
use fleetwright_controller::parameters::labels::label;
use fleetwright_controller::parameters::put::{Overwrite, PutWish, put};
use fleetwright_controller::parameters::read::{self, Decryption};
use fleetwright_tests::{Death, Fleet};

const NAMES: [&str; 3] = ["/a/one", "/a/two", "/a/three"];

async fn secret(house: &House, name: &str, value: &str) -> Result<u64, Refusal> {
    let wish = PutWish {
        overwrite: Overwrite::Yes,
        ..PutWish::new(name, value, ParameterType::SecureString, "tester")
    };
    Ok(put(house, wish).await?.version)
}

/// Everything that writes. What was answered is noted.
async fn live(house: &House, answered: &mut BTreeMap<String, String>) -> Result<(), Refusal> {
    for round in 1..=2 {
        for name in NAMES {
            let value = format!("{name} {round}");
            let version = secret(house, name, &value).await?;
            answered.insert(format!("{name}:{version}"), value);
        }
    }
    label(house, NAMES[0], Some(1), &["first".to_owned()], None).await?;
    rotate::rotate(house, "alias/aws/ssm", "tester").await?;
    rotate::rotate_root(house).await?;
    secret(house, NAMES[0], "after").await?;
    Ok(())
}

/// Every version of every parameter opens, those that were answered among them.
async fn check_whole(house: &House, answered: &BTreeMap<String, String>) {
    for (reference, value) in answered {
        let found = read::get(house, reference, Decryption::Yes).await;
        let found = found.unwrap_or_else(|error| panic!("{reference} was answered and is gone: {error}"));
        assert_eq!(found.value.expose(), value, "{reference}");
    }
    for name in NAMES {
        match history(house, name, Decryption::Yes, None, 200).await {
            Ok((entries, _)) => {
                let numbers: Vec<_> = entries.iter().map(|entry| entry.version).collect();
                assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
            }
            Err(error) => assert!(error.message.contains("not found"), "{error}"),
        }
    }
}

#[tokio::test]
async fn parameters_and_keys_are_whole_after_a_death_at_any_commit() {
    let mut fleet = Fleet::start(0).await;
    for death in [Death::BeforeCommit, Death::AfterCommit] {
        for commits in 0.. {
            let mut answered = BTreeMap::new();
            fleet.kill_controller_after(commits, death);
            let lived = fleet.unless_killed(live(fleet.house(), &mut answered)).await;
            match &lived {
                Some(result) => result.clone().unwrap(),
                None => fleet.restart_controller().await,
            }
            let house = fleet.house();
            check_whole(house, &answered).await;
            // A rotation that was cut goes on.
            rotate::run_once(house).await.unwrap();
            check_whole(house, &answered).await;
            for name in NAMES {
                drop(delete::delete(house, name, None).await);
            }
            if lived.is_some() {
                assert!(commits > 12, "only {commits} commits");
                break;
            }
        }
    }
}
