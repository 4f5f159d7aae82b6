//! Drives the crate aws-sdk-ssm against the controller at `AWS_ENDPOINT_URL_SSM`; ends with 101 when anything is not as
//! the service answers it.

use std::time::Duration;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::client::Waiters;
use aws_sdk_ssm::config::retry::RetryConfig;
use aws_sdk_ssm::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_ssm::error::ProvideErrorMetadata;
use aws_sdk_ssm::operation::RequestId;
use aws_sdk_ssm::types::ParameterType;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let ssm = client(&variable("AWS_SECRET_ACCESS_KEY"));
    parameters(&ssm).await;
    secrets(&ssm).await;
    errors(&ssm).await;
    command(&ssm, &variable("FLEETWRIGHT_NODE")).await;
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn client(secret: &str) -> Client {
    let credentials = Credentials::new(variable("AWS_ACCESS_KEY_ID"), secret, None, None, "test");
    let config = aws_sdk_ssm::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .endpoint_url(variable("AWS_ENDPOINT_URL_SSM"))
        .region(Region::new(variable("AWS_REGION")))
        .credentials_provider(credentials)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

async fn parameters(ssm: &Client) {
    let names: Vec<String> = (0..12).map(|number| format!("/rust/path/{number:02}")).collect();
    for name in &names {
        let put = ssm.put_parameter().name(name).value(name).r#type(ParameterType::String).send().await.unwrap();
        assert_eq!(put.version(), 1);
    }
    let mut pages = ssm.get_parameters_by_path().path("/rust/path").into_paginator().page_size(5).send();
    let mut seen = Vec::new();
    while let Some(page) = pages.next().await {
        seen.extend(page.unwrap().parameters().iter().filter_map(|found| found.name().map(str::to_owned)));
    }
    assert_eq!(seen, names);
    let got = ssm.get_parameter().name(&names[0]).send().await.unwrap();
    assert!(got.request_id().is_some());
    let found = got.parameter().unwrap();
    assert_eq!((found.value(), found.version(), found.data_type()), (Some("/rust/path/00"), 1, Some("text")));
    assert_eq!(found.arn(), Some("arn:aws:ssm:eu-central-1:123456789012:parameter/rust/path/00"));
    // A moment that is no number would have failed the whole answer.
    assert!(found.last_modified_date().unwrap().secs() > 1_700_000_000);
    ssm.label_parameter_version().name(&names[0]).labels("live").send().await.unwrap();
    let labelled = ssm.get_parameter().name(format!("{}:live", names[0])).send().await.unwrap();
    assert_eq!(labelled.parameter().unwrap().selector(), Some(":live"));
    for some in names.chunks(10) {
        let gone = ssm.delete_parameters().set_names(Some(some.to_vec())).send().await.unwrap();
        assert_eq!(gone.deleted_parameters().len(), some.len());
    }
}

async fn secrets(ssm: &Client) {
    let put = ssm.put_parameter().name("/rust/secret").value("hush").r#type(ParameterType::SecureString);
    put.send().await.unwrap();
    let sealed = ssm.get_parameter().name("/rust/secret").send().await.unwrap();
    assert_ne!(sealed.parameter().unwrap().value(), Some("hush"));
    let many = ssm.get_parameters().names("/rust/secret").names("/rust/none").with_decryption(true);
    let many = many.send().await.unwrap();
    assert_eq!(many.parameters()[0].value(), Some("hush"));
    assert_eq!(many.invalid_parameters(), ["/rust/none"]);
    ssm.delete_parameter().name("/rust/secret").send().await.unwrap();
}

async fn errors(ssm: &Client) {
    let error = ssm.get_parameter().name("/rust/none").send().await.unwrap_err();
    assert_eq!(error.code(), Some("ParameterNotFound"));
    assert!(error.into_service_error().is_parameter_not_found());
    let long = ssm.get_parameters_by_path().path("/").max_results(11).send().await.unwrap_err();
    assert_eq!(long.code(), Some("ValidationException"));
    assert!(long.message().is_some_and(|message| message.contains("'maxResults'")));
    let thief = client("another secret").get_parameter().name("/rust/none").send().await.unwrap_err();
    assert_eq!(thief.code(), Some("InvalidSignatureException"));
}

async fn command(ssm: &Client, node: &str) {
    let sent = ssm
        .send_command()
        .instance_ids(node)
        .document_name("AWS-RunShellScript")
        .parameters("commands", vec!["echo from Rust".to_owned()])
        .send()
        .await
        .unwrap();
    let id = sent.command().and_then(|command| command.command_id()).unwrap();
    let waiting = ssm.wait_until_command_executed().command_id(id).instance_id(node);
    let ended = waiting.wait(Duration::from_secs(60)).await.unwrap().into_result().unwrap();
    assert_eq!(ended.standard_output_content(), Some("from Rust\n"));
}
