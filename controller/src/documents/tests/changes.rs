//! Documents while they are changed, shared and deleted.

use super::*;

#[tokio::test]
async fn a_document_has_versions_and_one_is_the_default() {
    let TestHouse { house, _folder, .. } = test_house();
    let first = created(&house, "Disk").await;
    assert_eq!((first.version, first.default_version, first.latest_version), (1, 1, 1));
    assert_eq!(first.document_type, DocumentType::Command);
    assert_eq!(first.platform_types, ["Linux", "MacOS"]);
    let wish = VersionWish { version_name: Some("v2".to_owned()), ..version(script("two")) };
    let second = write::update(&house, "Disk", "1", wish).await.unwrap();
    assert_eq!((second.version, second.default_version, second.latest_version), (2, 1, 2));
    for (reference, number) in [
        ("Disk", 1),
        ("Disk:$LATEST", 2),
        ("Disk:v2", 2),
        ("Disk:1", 1),
        ("arn:aws:ssm:x:y:document/Disk:2", 2),
    ] {
        assert_eq!(get(&house, reference).await.unwrap().view.version, number, "{reference}");
    }
    let changed = write::set_default(&house, "Disk", "v2").await.unwrap();
    assert_eq!((changed.version, changed.default_version), (2, 2));
    assert_eq!(get(&house, "Disk").await.unwrap().content, script("two"));
    let described = find::describe(&house, &Reference::parse("Disk", "").unwrap()).await.unwrap();
    assert_eq!(described.description, "says something");
    assert_eq!(described.parameters[0].name, "limit");
    assert_eq!(described.parameters[0].default.as_deref(), Some("90"));
    let (versions, next) = list::versions(&house, "Disk", None, 1).await.unwrap();
    assert_eq!((versions[0].version, next), (1, Some(1)));
    let (versions, next) = list::versions(&house, "Disk", next, 2).await.unwrap();
    assert_eq!((versions[0].version, next), (2, None));
}

#[tokio::test]
async fn what_a_new_document_is_refused_for() {
    let TestHouse { house, _folder, .. } = test_house();
    created(&house, "Disk").await;
    let create = async |change: &dyn Fn(&mut NewDocument)| {
        let mut wish = new("Other", script("other"));
        change(&mut wish);
        write::create(&house, wish).await
    };
    check(
        create(&|wish| wish.name = "Disk".into()).await,
        Fault::DocumentAlreadyExists,
        "document update Disk",
    );
    check(create(&|wish| wish.name = "AWS-Disk".into()).await, Fault::Validation, "reserved");
    check(create(&|wish| wish.name = "a b".into()).await, Fault::Validation, "3 to 128");
    check(
        create(&|wish| wish.version.version_name = Some("a b".into())).await,
        Fault::Validation,
        "version name",
    );
    check(
        create(&|wish| wish.version.target_type = Some("EC2".into())).await,
        Fault::Validation,
        "/AWS::EC2::Instance",
    );
    check(
        create(&|wish| wish.version.display_name = Some("x".repeat(1025))).await,
        Fault::Validation,
        "1024",
    );
    let require = |name: &str, version: Option<&str>| Requirement {
        name: name.into(),
        version: version.map(str::to_owned),
        version_name: None,
        require_type: None,
    };
    check(
        create(&|wish| wish.version.requires = Some(vec![require("Nobody", None)])).await,
        Fault::InvalidDocument,
        "no document `Nobody`",
    );
    check(
        create(&|wish| wish.version.requires = Some(vec![require("Disk", Some("9"))])).await,
        Fault::InvalidDocumentVersion,
        "no version `9`",
    );
    check(
        create(&|wish| wish.version.requires = Some(vec![require("Other", None)])).await,
        Fault::Validation,
        "itself",
    );
    check(
        create(&|wish| wish.version.requires = Some(vec![require("Disk", None), require("Disk", None)]))
            .await,
        Fault::Validation,
        "more than once",
    );
    let tags = (0..51).map(|number| (number.to_string(), String::new()));
    check(create(&|wish| wish.tags = tags.clone().collect()).await, Fault::TooManyTags, "51 tags");
    check(get(&house, "Other").await, Fault::InvalidDocument, "no document `Other`");
}

#[tokio::test]
async fn what_a_new_version_is_refused_for() {
    let TestHouse { house, _folder, .. } = test_house();
    created(&house, "Disk").await;
    let second = VersionWish { version_name: Some("v2".to_owned()), ..version(script("two")) };
    write::update(&house, "Disk", "", second).await.unwrap();
    let update = async |latest: &str, wish: VersionWish| write::update(&house, "Disk", latest, wish).await;
    check(update("1", version(script("x"))).await, Fault::InvalidDocumentVersion, "latest version");
    check(update("$DEFAULT", version(script("x"))).await, Fault::InvalidDocumentVersion, "latest version");
    check(
        update("", version(script("one"))).await,
        Fault::DuplicateDocumentContent,
        "document set-default Disk 1",
    );
    let named = VersionWish { version_name: Some("v2".to_owned()), ..version(script("x")) };
    check(update("", named).await, Fault::DuplicateDocumentVersionName, "called v2 already");
    check(
        write::update(&house, "AWS-RunShellScript", "", version(script("x"))).await,
        Fault::InvalidDocumentOperation,
        "shipped",
    );
    check(
        write::update(&house, "Nobody", "", version(script("x"))).await,
        Fault::InvalidDocument,
        "no document",
    );
    check(write::set_default(&house, "Disk", "7").await, Fault::InvalidDocumentVersion, "no version `7`");
    check(
        get(&house, "aws-runshellscript").await,
        Fault::InvalidDocument,
        "did you mean AWS-RunShellScript?",
    );
    check(get(&house, "AWS-RunShellScript:7").await, Fault::InvalidDocumentVersion, "ships version 1");
}

#[tokio::test]
async fn of_two_updates_at_once_one_wins_and_the_other_is_told() {
    let TestHouse { house, _folder, .. } = test_house();
    created(&house, "Disk").await;
    // Each finds the same latest version, writes its blob, and only then commits.
    let long = |words: &str| script(&words.repeat(4_000));
    let (one, other) = tokio::join!(
        write::update(&house, "Disk", "", version(long("abc"))),
        write::update(&house, "Disk", "", version(long("xyz"))),
    );
    let (won, lost) = if one.is_ok() { (one, other) } else { (other, one) };
    let won = won.unwrap();
    assert_eq!(won.version, 2);
    check(lost, Fault::TooManyUpdates, "somebody else changed document Disk");
    let found = get(&house, "Disk:2").await.unwrap();
    assert_eq!(HashType::Sha256.of(&found.content), won.sha256);
    let (one, other) = tokio::join!(
        write::create(&house, new("Race", script("one"))),
        write::create(&house, new("Race", script("two"))),
    );
    let lost = if one.is_ok() { other } else { one };
    check(lost, Fault::DocumentAlreadyExists, "Race already");
}

#[tokio::test]
async fn limits_are_settings() {
    let TestHouse { mut house, _folder, .. } = test_house();
    house.limits.documents = 1;
    house.limits.document_versions = 2;
    house.limits.document_shares = 1;
    created(&house, "Disk").await;
    check(
        write::create(&house, new("More", script("x"))).await,
        Fault::DocumentLimitExceeded,
        "documents.count_max",
    );
    write::update(&house, "Disk", "", version(script("two"))).await.unwrap();
    check(
        write::update(&house, "Disk", "", version(script("three"))).await,
        Fault::DocumentVersionLimitExceeded,
        "delete some",
    );
    delete::delete_version(&house, "Disk", "2").await.unwrap();
    let third = write::update(&house, "Disk", "1", version(script("three"))).await.unwrap();
    assert_eq!(third.version, 3, "a number is given once");
    let add = vec!["one".to_owned(), "two".to_owned()];
    let wish = ShareWish { name: "Disk".into(), add, ..ShareWish::default() };
    check(share::change(&house, wish).await, Fault::DocumentPermissionLimit, "1 are allowed");
}

#[tokio::test]
async fn what_cannot_be_deleted() {
    let TestHouse { house, _folder, .. } = test_house();
    created(&house, "Disk").await;
    write::update(&house, "Disk", "", version(script("two"))).await.unwrap();
    let required = Requirement {
        name: "Disk".into(),
        version: Some("2".into()),
        version_name: None,
        require_type: None,
    };
    let mut needs = new("Needs", script("needs"));
    needs.version.requires = Some(vec![required]);
    write::create(&house, needs).await.unwrap();
    check(
        delete::delete(&house, "AWS-RunShellScript").await,
        Fault::InvalidDocumentOperation,
        "shipped document",
    );
    check(
        delete::delete(&house, "Disk").await,
        Fault::InvalidDocumentOperation,
        "document Needs requires Disk",
    );
    check(
        delete::delete_version(&house, "Disk", "2").await,
        Fault::InvalidDocumentOperation,
        "document Needs requires Disk",
    );
    check(
        delete::delete_version(&house, "Disk", "1").await,
        Fault::InvalidDocumentOperation,
        "the default version",
    );
    check(delete::delete_version(&house, "Disk", "9").await, Fault::InvalidDocumentVersion, "no version `9`");
    delete::delete(&house, "Needs").await.unwrap();
    assert!(DOCUMENT_REQUIRED.scan(&*house.store, &(), None, 1).await.unwrap().rows.is_empty());
    let wish = |add: &[&str], remove: &[&str]| ShareWish {
        name: "Disk".into(),
        add: add.iter().map(|&text| text.to_owned()).collect(),
        remove: remove.iter().map(|&text| text.to_owned()).collect(),
        by: "ada".into(),
        ..ShareWish::default()
    };
    share::change(&house, wish(&["bob"], &[])).await.unwrap();
    check(delete::delete(&house, "Disk").await, Fault::InvalidDocumentOperation, "shared with bob");
    share::change(&house, wish(&[], &["bob"])).await.unwrap();
    delete::delete(&house, "Disk").await.unwrap();
    check(delete::delete(&house, "Disk").await, Fault::InvalidDocument, "no document `Disk`");
    let rows = house.store.scan(b"", None, 100).await.unwrap();
    assert!(rows.is_empty(), "{rows:?}");
}

#[tokio::test]
async fn a_deletion_that_was_stopped_is_finished_and_the_name_is_free_meanwhile() {
    let TestHouse { house, _folder, .. } = test_house();
    let long = script(&"x".repeat(20_000));
    write::create(&house, new("Disk", long)).await.unwrap();
    let row = find::of_fleet(&house, &"Disk".parse().unwrap()).await.unwrap();
    // What the first commit of a deletion writes.
    let mut batch = fleetwright_store::Batch::new();
    crate::tables::DOCUMENT.delete(&mut batch, &row.key);
    let leaving = super::super::records::LeavingRecord { name: "Disk".into() };
    DOCUMENT_LEAVING.put(&mut batch, &row.value.id, &leaving).unwrap();
    house.store.commit(batch).await.unwrap();
    created(&house, "Disk").await;
    delete::finish_all(&house).await.unwrap();
    assert_eq!(get(&house, "Disk").await.unwrap().content, script("one"));
    assert_eq!(DOCUMENT_VERSION.scan(&*house.store, &(), None, 10).await.unwrap().rows.len(), 1);
    assert!(house.blobs.list(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn sharing() {
    let TestHouse { house, _folder, .. } = test_house();
    created(&house, "Disk").await;
    let wish = |add: &[&str], version: &str| ShareWish {
        name: "Disk".into(),
        add: add.iter().map(|&text| text.to_owned()).collect(),
        version: version.into(),
        by: "ada".into(),
        ..ShareWish::default()
    };
    let shares = share::change(&house, wish(&["bob", "123456789012"], "$DEFAULT")).await.unwrap();
    assert_eq!(shares.keys().collect::<Vec<_>>(), ["123456789012", "bob"]);
    assert_eq!(shares["bob"].version.as_deref(), Some("$DEFAULT"));
    assert_eq!(share::list(&house, "Disk").await.unwrap(), shares);
    let both = share::change(&house, wish(&["all", "bob"], "")).await;
    check(both, Fault::DocumentPermissionLimit, "either be all or a group");
    check(share::change(&house, wish(&["a b"], "")).await, Fault::Validation, "no principal");
    check(share::change(&house, wish(&[], "")).await, Fault::Validation, "nobody is named");
    check(share::change(&house, wish(&["eve"], "9")).await, Fault::InvalidDocumentVersion, "no version `9`");
    let many: Vec<String> = (0..21).map(|number| format!("p{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    check(share::change(&house, wish(&many, "")).await, Fault::Validation, "20 at most");
    let both = ShareWish { remove: vec!["bob".into()], ..wish(&["bob"], "") };
    check(share::change(&house, both).await, Fault::Validation, "name it once");
}

#[tokio::test]
async fn lists_are_narrowed_by_filters_and_come_in_pages() {
    let TestHouse { house, _folder, .. } = test_house();
    for name in ["Disk", "disk-two", "ZZZ"] {
        created(&house, name).await;
    }
    write::change_tags(&house, "ZZZ", Tags::from([("team".into(), "web".into())]), &[]).await.unwrap();
    let share = |name: &str, who: &str| ShareWish {
        name: name.into(),
        add: vec![who.into()],
        by: "ada".into(),
        ..ShareWish::default()
    };
    share::change(&house, share("Disk", "all")).await.unwrap();
    share::change(&house, share("ZZZ", "bob")).await.unwrap();
    let names = async |filters: &[(&str, &[&str])], caller: &str| {
        let filters: Vec<_> = filters
            .iter()
            .map(|(key, values)| {
                Filter::parse(key, values.iter().map(|&value| value.to_owned()).collect()).unwrap()
            })
            .collect();
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            // Pages of one, so that every page has an end to get wrong.
            let (page, next) = list::list(&house, &filters, caller, after, 1).await.unwrap();
            found.extend(page.into_iter().map(|view| view.name));
            match next {
                None => return found,
                next => after = next,
            }
        }
    };
    let all = names(&[], "ada").await;
    let mut sorted = all.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(all, sorted);
    assert_eq!(all.len(), 3 + fleetwright_documents::library::all().len());
    assert_eq!(names(&[("Owner", &["Self"])], "ada").await, ["Disk", "ZZZ", "disk-two"]);
    assert_eq!(names(&[("Owner", &["Private"])], "bob").await, ["ZZZ"]);
    assert_eq!(names(&[("Owner", &["Public"]), ("Name", &["D"])], "ada").await, ["Disk"]);
    assert_eq!(names(&[("Owner", &["ThirdParty"])], "ada").await, [""; 0]);
    assert_eq!(names(&[("Name", &["disk", "ZZ"])], "ada").await, ["ZZZ", "disk-two"]);
    assert_eq!(names(&[("tag:team", &["web", "db"])], "ada").await, ["ZZZ"]);
    assert_eq!(names(&[("SearchKeyword", &["DISK"])], "ada").await, ["Disk", "disk-two"]);
    assert_eq!(names(&[("Owner", &["Self"]), ("PlatformTypes", &["Windows"])], "ada").await, [""; 0]);
    assert_eq!(names(&[("DocumentType", &["Policy"])], "ada").await, [""; 0]);
    assert!(names(&[("Owner", &["Amazon"])], "ada").await.contains(&"AWS-RunShellScript".to_owned()));
    check(Filter::parse("Colour", vec!["x".into()]), Fault::InvalidFilterKey, "`Colour` is not a filter");
    check(Filter::parse("Owner", vec!["Me".into()]), Fault::InvalidFilterKey, "`Me` is no owner");
    check(Filter::parse("Name", Vec::new()), Fault::InvalidFilterKey, "without values");
}

#[tokio::test]
async fn what_no_row_names_is_swept_at_the_second_look() {
    let TestHouse { house, clock, _folder } = test_house();
    let kept = script(&"kept".repeat(4_000));
    write::create(&house, new("Disk", kept.clone())).await.unwrap();
    let lost = KeptId::random();
    house.blobs.put(&find::text_path(&lost).unwrap(), Bytes::from_static(b"lost")).await.unwrap();
    let mut upload = Upload::start(&house);
    upload.add(b"file").await.unwrap();
    let (waiting, _) = upload.finish("ada").await.unwrap();
    let mut sweep = Sweep::default();
    let blobs = async || house.blobs.list(None).await.unwrap().len();
    assert_eq!(blobs().await, 3);
    sweep.run_once(&house).await.unwrap();
    assert_eq!(blobs().await, 3, "it may be on its way in");
    sweep.run_once(&house).await.unwrap();
    assert_eq!(blobs().await, 2);
    clock.advance(Duration::from_secs(24 * 3600));
    sweep.run_once(&house).await.unwrap();
    sweep.run_once(&house).await.unwrap();
    assert_eq!(blobs().await, 1, "an upload that nobody took goes after a day: {waiting}");
    assert_eq!(get(&house, "Disk").await.unwrap().content, kept);
}

#[tokio::test]
async fn a_package_has_the_files_that_its_manifest_names() {
    let TestHouse { mut house, _folder, .. } = test_house();
    house.limits.attachment_max_bytes = 3 * 1024 * 1024;
    let file: Vec<u8> = (0..2_500_000_u32).map(|number| (number % 251) as u8).collect();
    let upload = async |data: &[u8]| {
        let mut upload = Upload::start(&house);
        for piece in data.chunks(200_000) {
            upload.add(piece).await?;
        }
        upload.finish("ada").await
    };
    let sha256 = HashType::Sha256.of(&file);
    let manifest = |sha256: &str, version: &str| {
        serde_json::json!({
            "schemaVersion": "2.0",
            "version": version,
            "packages": { "_any": { "_any": { "x86_64": { "file": "tool.zip" } } } },
            "files": { "tool.zip": { "checksums": { "sha256": sha256 } } },
        })
        .to_string()
    };
    let package = |content: String, files: Vec<AttachmentWish>| {
        let mut wish = new("Tool", content);
        wish.document_type = Some(DocumentType::Package);
        wish.version.attachments = Some(files);
        wish
    };
    check(
        write::create(&house, package(manifest(&sha256, "1.0.0"), Vec::new())).await,
        Fault::InvalidDocumentContent,
        "no such file is attached",
    );
    let (id, record) = upload(&file).await.unwrap();
    assert_eq!((record.bytes, &record.sha256), (2_500_000, &sha256));
    let tool = || AttachmentWish::Uploaded { name: "tool.zip".into(), upload: id.clone() };
    check(
        write::create(&house, package(manifest(&"0".repeat(64), "1.0.0"), vec![tool()])).await,
        Fault::InvalidDocumentContent,
        "that of the attached file is",
    );
    check(
        write::create(&house, package(manifest(&sha256, "1.0.0"), vec![tool(), tool()])).await,
        Fault::Validation,
        "two attachments are called tool.zip",
    );
    let created = write::create(&house, package(manifest(&sha256, "1.0.0"), vec![tool()])).await.unwrap();
    assert_eq!(created.platform_types, ["Linux", "Windows", "MacOS"]);
    check(
        write::create(
            &house,
            NewDocument { name: "Second".into(), ..package(manifest(&sha256, "1"), vec![tool()]) },
        )
        .await,
        Fault::Validation,
        "upload the file again",
    );
    let kept = VersionWish {
        attachments: Some(vec![AttachmentWish::Kept { name: "tool.zip".into() }]),
        ..version(manifest(&sha256, "1.0.1"))
    };
    write::update(&house, "Tool", "", kept).await.unwrap();
    delete::delete(&house, "Tool").await.unwrap_or_else(|error| panic!("{error}"));
    let (id, _) = upload(&file).await.unwrap();
    let again = AttachmentWish::Uploaded { name: "tool.zip".into(), upload: id };
    let created = write::create(&house, package(manifest(&sha256, "2"), vec![again])).await.unwrap();
    let mut back = Vec::new();
    while let Some(piece) =
        attachments::read(&house, &created.attachments[0], back.len() as u64).await.unwrap()
    {
        back.extend_from_slice(&piece);
    }
    assert!(back == file);
    check(upload(&vec![0; 3 * 1024 * 1024 + 1]).await, Fault::MaxDocumentSizeExceeded, "attachment_max_mib");
}
