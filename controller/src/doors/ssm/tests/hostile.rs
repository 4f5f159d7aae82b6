//! What an attacker sends.

use super::*;

#[tokio::test]
async fn a_signed_request_is_answered_and_a_stranger_is_not() {
    let client = Client::new().await;
    assert_eq!(client.ok("DescribeActivations", json!({})).await, json!({"ActivationList": []}));
    assert!(client.visit.signed_lately());
    let other = Client { secret: "0".repeat(40), visit: Visit::uncounted(), ..Client::new().await };
    other.refused("DescribeActivations", json!({}), "InvalidSignatureException").await;
    assert!(!other.visit.signed_lately());
    let unknown = Client { key: "AKIAABCDEFGHIJKLMNOP".to_owned(), ..Client::new().await };
    unknown.refused("DescribeActivations", json!({}), "UnrecognizedClientException").await;
}

#[tokio::test]
async fn a_key_that_was_good_is_refused_from_the_moment_that_it_is_disabled() {
    use crate::access::records::Standing;
    let client = Client::new().await;
    client.ok("DescribeActivations", json!({})).await;
    let id = client.key.parse().unwrap();
    let admin = client.house.access.principal(crate::access::FIRST_OPERATOR).unwrap();
    keys::set_standing(&client.house, &admin, &id, Standing::Disabled).await.unwrap();
    client.refused("DescribeActivations", json!({}), "UnrecognizedClientException").await;
    keys::set_standing(&client.house, &admin, &id, Standing::Enabled).await.unwrap();
    client.ok("DescribeActivations", json!({})).await;
    keys::delete(&client.house, &admin, &id).await.unwrap();
    client.refused("DescribeActivations", json!({}), "UnrecognizedClientException").await;
}

#[tokio::test]
async fn a_request_is_good_for_five_minutes_on_either_side() {
    let client = Client::new().await;
    for (seconds, said) in [(300, None), (1, Some("Signature expired"))] {
        let early = client.request("DescribeActivations", b"{}");
        client.clock.advance(Duration::from_secs(300 + u64::from(said.is_some()) * seconds));
        let answered = client.send(early).await;
        match said {
            None => assert_eq!(answered.status, 200, "{}", answered.body),
            Some(said) => assert!(answered.refusal("InvalidSignatureException").starts_with(said)),
        }
    }
    // Signed in the future of a controller whose clock is behind.
    let behind = Client::new().await;
    behind.clock.advance(Duration::from_secs(301));
    let late = behind.request("DescribeActivations", b"{}");
    let fresh = Client { key: behind.key.clone(), secret: behind.secret.clone(), ..Client::new().await };
    let message = fresh.send(late).await.refusal("InvalidSignatureException");
    assert!(message.starts_with("Signature not yet current"), "{message}");
}

#[tokio::test]
async fn a_recorded_change_is_not_done_again() {
    let client = Client::new().await;
    let body = json!({"IamRole": "x"}).to_string();
    let record = || client.request("CreateActivation", body.as_bytes());
    let (first, again, later) = (record(), record(), record());
    let mut same = record();
    let call = first.headers()["amz-sdk-invocation-id"].clone();
    same.headers_mut().insert("amz-sdk-invocation-id", call);
    let mut unsaid = record();
    unsaid.headers_mut().remove("amz-sdk-invocation-id");
    let mut elsewhere = record();
    elsewhere.extensions_mut().insert(Source("10.0.0.1".into()));
    assert_eq!(client.send(first).await.status, 200);
    assert_eq!(client.send(again).await.status, 200, "an equal call of the same second is another one");
    for replayed in [same, unsaid, elsewhere] {
        let message = client.send(replayed).await.refusal("InvalidSignatureException");
        assert!(message.contains("was received before"), "{message}");
    }
    client.clock.advance(Duration::from_secs(10));
    client.send(later).await.refusal("InvalidSignatureException");
    client.ok("CreateActivation", json!({"IamRole": "x"})).await;
    let list = client.ok("DescribeActivations", json!({})).await;
    assert_eq!(list["ActivationList"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_change_that_was_signed_before_the_start_is_refused() {
    let client = Client::new().await;
    let early = client.request("CreateActivation", br#"{"IamRole":"x"}"#);
    client.clock.advance(Duration::from_secs(2));
    let TestHouse { house, .. } = test_house();
    assert_eq!(house.started.millis(), client.house.started.millis());
    let mut parts = early.into_parts().0;
    let claim = sigv4::claim(&parts).unwrap();
    let gate = gate::Gate::since(fleetwright_proto::clock::Clock::now(&client.clock));
    let refused = gate
        .admit_change(&claim, Sent::default(), fleetwright_proto::clock::Clock::now(&client.clock))
        .unwrap_err();
    assert_eq!(refused.name, "InvalidSignatureException");
    parts.extensions.clear();
}

#[tokio::test]
async fn another_region_is_refused_when_one_is_set() {
    let client = Client::new().await;
    let elsewhere = client.request_for("us-east-1", "DescribeActivations", b"{}");
    assert_eq!(client.send(elsewhere).await.status, 200);
    let mut test = test_house();
    test.house.ssm.region = Some(REGION.to_owned());
    let client = Client::of(test).await;
    client.ok("DescribeActivations", json!({})).await;
    let elsewhere = client.request_for("us-east-1", "DescribeActivations", b"{}");
    let message = client.send(elsewhere).await.refusal("InvalidSignatureException");
    assert!(message.contains("us-east-1") && message.contains(REGION), "{message}");
}

#[tokio::test]
async fn bodies_have_bounds() {
    let client = Client::new().await;
    let send = async |body: &[u8]| client.send(client.request("DescribeActivations", body)).await;
    let long = vec![b' '; BODY_MAX_BYTES + 1];
    let answered = send(&long).await;
    assert_eq!(answered.status, 413);
    answered.refusal("RequestEntityTooLargeException");
    let mut unsaid = client.request("DescribeActivations", &long);
    unsaid.headers_mut().remove("content-length");
    assert_eq!(client.send(unsaid).await.status, 413);
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    let message = send(&deep).await.refusal("SerializationException");
    assert!(message.contains("recursion limit"), "{message}");
    send(b"{").await.refusal("SerializationException");
    send(b"{} x").await.refusal("SerializationException");
    send(b"\xff").await.refusal("SerializationException");
    send(b"[]").await.refusal("SerializationException");
    assert_eq!(send(b"").await.status, 200);
    assert_eq!(send(b" {} ").await.status, 200);
}

#[tokio::test]
async fn nothing_is_read_of_who_is_not_known() {
    let client = Client { key: "AKIAABCDEFGHIJKLMNOP".to_owned(), ..Client::new().await };
    let request = client.request("DescribeActivations", b"{}");
    let body = Unreadable;
    let (parts, _) = request.into_parts();
    let answered = answer(&client.house, Request::from_parts(parts, body)).await;
    assert_eq!(answered.headers()["x-amzn-errortype"], "UnrecognizedClientException");
}

/// A body that nobody may touch.
struct Unreadable;

impl HttpBody for Unreadable {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        panic!("the body was read")
    }
}

#[tokio::test]
async fn what_the_api_does_not_know_or_we_do_not_have_is_said() {
    let client = Client::new().await;
    client.refused("FlyToTheMoon", json!({}), "UnknownOperationException").await;
    client.refused("", json!({}), "UnknownOperationException").await;
    let message =
        client.refused("StartSession", json!({"Target": "x"}), "UnsupportedOperationException").await;
    assert!(message.contains("does not have StartSession yet"), "{message}");
    let message = client.refused("GetOpsSummary", json!({}), "UnsupportedOperationException").await;
    assert!(message.contains("has no GetOpsSummary"), "{message}");
}
