//! Joining a fleet, and every way in which it is refused.

use std::sync::Arc;

use fleetwright_agent::enroll::{self, ActivationCode, EnrollError, Enrolment, Existing};
use fleetwright_agent::identity::{ControllerAddress, Identity};
use fleetwright_agent::state_folder::StateFolder;
use fleetwright_agent::tls::Trust;
use fleetwright_platform::SharedPlatform;
use fleetwright_platform::fake::FakePlatform;
use fleetwright_proto::clock::SystemClock;
use fleetwright_proto::ids::ActivationId;
use tempfile::TempDir;
use tonic::Status;

use crate::authority::Authority;
use crate::controller::Controller;

struct Newcomer {
    scratch: TempDir,
    controller: Controller,
}

impl Newcomer {
    async fn new() -> Self {
        Self { scratch: tempfile::tempdir().unwrap(), controller: Controller::start().await }
    }

    async fn enroll(&self, trust: Trust, existing: Existing) -> Result<Identity, EnrollError> {
        self.enroll_at(&self.controller.address, trust, existing).await
    }

    async fn enroll_at(
        &self,
        controller: &ControllerAddress,
        trust: Trust,
        existing: Existing,
    ) -> Result<Identity, EnrollError> {
        let enrolment = Enrolment {
            controller: controller.clone(),
            activation: ActivationId::random(),
            code: ActivationCode::new("open sesame\n"),
            trust,
            existing,
        };
        let platform: SharedPlatform = Arc::new(FakePlatform::numbered(1, Arc::new(SystemClock)));
        let folder = StateFolder::at(self.scratch.path().join("state"));
        enroll::enroll(enrolment, &folder, &platform, &self.controller.network).await
    }

    fn pinned(&self) -> Trust {
        Trust::Pinned(self.controller.authority.fingerprint())
    }
}

fn check_refused(result: Result<Identity, EnrollError>, wanted: &str, is_unreachable: bool) {
    let error = result.expect_err("it must be refused");
    let text = fleetwright_agent::explain::explain(&error);
    assert!(text.contains(wanted), "`{text}` does not say `{wanted}`");
    assert_eq!(error.is_unreachable(), is_unreachable, "{text}");
    assert!(!text.contains("sesame") && !format!("{error:?}").contains("sesame"), "{text}");
}

#[tokio::test]
async fn a_host_joins_by_fingerprint_or_by_certificate() {
    for by_file in [false, true] {
        let host = Newcomer::new().await;
        let authority = Trust::Authority(host.controller.authority.certificate());
        let trust = if by_file { authority } else { host.pinned() };
        let identity = host.enroll(trust, Existing::Keep).await.unwrap();
        assert_eq!(identity.authority, host.controller.authority.certificate());
        let request = host.controller.seen(|seen| seen.enrolments[0].clone());
        assert_eq!(request.activation_code, "open sesame");
        assert_eq!(request.host.unwrap().computer_name, "host-00001");
    }
}

#[tokio::test]
async fn an_enrolled_host_stays_what_it_is_unless_forced() {
    let host = Newcomer::new().await;
    let first = host.enroll(host.pinned(), Existing::Keep).await.unwrap();
    check_refused(host.enroll(host.pinned(), Existing::Keep).await, first.node_id.as_str(), false);
    assert_eq!(host.controller.seen(|seen| seen.enrolments.len()), 1);
    let second = host.enroll(host.pinned(), Existing::Replace).await.unwrap();
    assert_ne!(second.node_id, first.node_id);
    let keys = host.controller.seen(|seen| seen.enrolments.len());
    assert_eq!(keys, 2);
}

#[tokio::test]
async fn an_enrolment_that_failed_is_repeated_with_the_same_key() {
    let host = Newcomer::new().await;
    host.controller.refuse_enrolments(Status::permission_denied("activation has expired"));
    check_refused(host.enroll(host.pinned(), Existing::Keep).await, "activation has expired", false);
    let key = || std::fs::read(host.scratch.path().join("state/identity/key.pem")).unwrap();
    let before = key();
    check_refused(host.enroll(host.pinned(), Existing::Keep).await, "activation has expired", false);
    assert_eq!(key(), before);
}

#[tokio::test]
async fn another_authority_is_not_believed() {
    let host = Newcomer::new().await;
    let stranger = Authority::new();
    for trust in [Trust::Pinned(stranger.fingerprint()), Trust::Authority(stranger.certificate())] {
        check_refused(
            host.enroll(trust, Existing::Keep).await,
            "not signed by the authority that was given",
            false,
        );
    }
    assert_eq!(host.controller.seen(|seen| seen.enrolments.len()), 0);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_believed() {
    let host = Newcomer::new().await;
    let address = format!("127.0.0.1:{}", host.controller.address.port()).parse().unwrap();
    let refused = host.enroll_at(&address, host.pinned(), Existing::Keep).await;
    check_refused(refused, "not for this name", false);
}

#[tokio::test]
async fn a_controller_that_is_not_there_is_unreachable() {
    let host = Newcomer::new().await;
    host.controller.network.take_down();
    check_refused(host.enroll(host.pinned(), Existing::Keep).await, "connection was refused", true);
    host.controller.network.bring_up();
    let nowhere = "nowhere.invalid:7443".parse().unwrap();
    let refused = host.enroll_at(&nowhere, host.pinned(), Existing::Keep).await;
    check_refused(refused, "the name `nowhere.invalid` has no address", true);
}
