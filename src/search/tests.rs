//! What must be found, in which order, and what must not.

use super::*;
use proptest::prelude::*;

fn document(name: &'static str, description: &'static str, tags: &[&'static str]) -> Document<'static> {
    Document {
        name: name.into(),
        description: description.into(),
        tags: tags.iter().map(|tag| Text((*tag).into())).collect(),
        ..Document::default()
    }
}

fn shelf() -> Vec<Document<'static>> {
    vec![
        document("pdf", "Reads, fills and merges PDF files.", &["documents"]),
        document("docx", "Writes Word documents, and converts them to PDF.", &["documents", "office"]),
        document("sql-analyzer", "Optimises slow queries.", &["database"]),
        document("postgresql-tuning", "Indexes and plans.", &["database"]),
        document("kubernetes-deploy", "Deploys containers to a cluster.", &["devops"]),
        document("data-cn", "用于数据分析和报表生成的技能", &["数据库"]),
        document("data-jp", "データベースを検索するスキル", &[]),
        document("data-ru", "Анализ данных и построение отчётов", &["отчёт"]),
        document("cafe", "Écrit des résumés", &["c++", "c#"]),
        document("webapp-testing", "Tests web applications with a browser.", &["test"]),
    ]
}

fn found(query: &str) -> Vec<&'static str> {
    let shelf: &'static [Document<'static>] = Box::leak(shelf().into_boxed_slice());
    search(shelf, &Query::parse(query), &Filter::default())
        .iter()
        .map(|hit| shelf[hit.at].name.as_ref())
        .collect()
}

#[test]
fn words_are_found_and_names_go_first() {
    let check = |query: &str, expected: &[&str]| assert_eq!(found(query), expected, "{query}");
    check("pdf", &["pdf", "docx"]);
    check("PDF", &["pdf", "docx"]);
    check("sql", &["sql-analyzer", "postgresql-tuning"]);
    check("sql-analyzer", &["sql-analyzer", "postgresql-tuning"]);
    check("analyzer sql", &["sql-analyzer", "postgresql-tuning"]);
    check("database", &["postgresql-tuning", "sql-analyzer"]);
    check("office documents", &["docx", "pdf"]);
    check("c++", &["cafe"]);
    check("zebra", &[]);
}

#[test]
fn beginnings_endings_and_typing_errors_are_forgiven() {
    let check = |query: &str, first: &str| assert_eq!(found(query).first(), Some(&first), "{query}");
    check("kube", "kubernetes-deploy");
    check("kubernets", "kubernetes-deploy");
    check("kubrenetes", "kubernetes-deploy");
    check("kuberentes deploy", "kubernetes-deploy");
    check("analyser", "sql-analyzer");
    check("optimise", "sql-analyzer");
    check("browsers", "webapp-testing");
    check("databses", "postgresql-tuning");
    check("tester", "webapp-testing");
    // Short words are not guessed at, and a word that is there is not taken for an error.
    assert_eq!(found("pfd"), [""; 0]);
    assert_eq!(found("text"), ["webapp-testing"]);
    let both = [document("text", "", &[]), document("test", "", &[])];
    assert_eq!(search(&both, &Query::parse("text"), &Filter::default()).len(), 1);
}

#[test]
fn other_scripts_are_found() {
    let check = |query: &str, expected: &[&str]| assert_eq!(found(query), expected, "{query}");
    check("数据", &["data-cn"]);
    check("分析", &["data-cn"]);
    check("数据分析", &["data-cn"]);
    check("数据库分析", &["data-cn"]);
    check("库", &["data-cn"]);
    check("检索", &[]);
    check("検索", &["data-jp"]);
    check("データベース", &["data-jp"]);
    check("ﾃﾞｰﾀ", &["data-jp"]);
    check("данных", &["data-ru"]);
    check("ДАННЫЕ", &["data-ru"]);
    check("отчет", &["data-ru"]);
    check("отчотов", &["data-ru"]);
    check("ecrit resume", &["cafe"]);
}

#[test]
fn filters_leave_out() {
    let mut shelf = shelf();
    shelf[0].marketplace = "acme".into();
    shelf[0].category = "Office".into();
    shelf[1].installed = true;
    let run = |filter: Filter, query: &str| -> Vec<String> {
        search(&shelf, &Query::parse(query), &filter)
            .iter()
            .map(|hit| shelf[hit.at].name.to_string())
            .collect()
    };
    let with = Filter::default;
    assert_eq!(run(Filter { marketplace: Some("acme".into()), ..with() }, "pdf"), ["pdf"]);
    assert_eq!(run(Filter { category: Some("office".into()), ..with() }, "pdf"), ["pdf"]);
    assert_eq!(run(Filter { tags: vec!["Office".into(), "documents".into()], ..with() }, "pdf"), ["docx"]);
    assert_eq!(run(Filter { installed: true, ..with() }, "pdf"), ["docx"]);
    assert_eq!(
        run(Filter { tags: vec!["database".into()], ..with() }, ""),
        ["postgresql-tuning", "sql-analyzer"]
    );
}

#[test]
fn matches_are_marked_where_they_stand() {
    let check = |query: &str, text: &str, expected: &[&str]| {
        let marked: Vec<_> = Query::parse(query).ranges(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(marked, expected, "{query} in {text}");
    };
    check("pdf", "Reads PDF files, pdfs and xpdf", &["PDF", "pdf", "pdf"]);
    check("数据", "用于数据分析", &["数据"]);
    check("отчет", "построение отчётов", &["отчёт"]);
    check("kuberntes", "Kubernetes!", &["Kubernetes"]);
    check("zebra", "Kubernetes", &[]);
    // Folded they are as long as before, letter by letter they are not.
    check("fix", "Ⱥﬁx", &["Ⱥﬁx"]);
    // A mark without a letter is nothing, folded.
    check("\u{301}", "any words", &[]);
    check("\u{301} words", "any words\u{301} (\u{301}", &["words\u{301}"]);
}

#[test]
fn who_finds_nothing_is_helped() {
    assert_eq!(suggest(&shelf(), "pfd"), ["pdf"]);
    assert_eq!(suggest(&shelf(), "zzzzzz"), [""; 0]);
}

#[test]
fn a_document_survives_its_own_json() {
    let shelf = shelf();
    let text = serde_json::to_string(&shelf).unwrap();
    let again: Vec<Document<'_>> = serde_json::from_str(&text).unwrap();
    assert_eq!(again, shelf);
    assert!(matches!(again[0].description, Cow::Borrowed(_)));
}

proptest! {
    #[test]
    fn no_text_panics_and_every_hit_is_marked(query in "[a-zA-Zé数据дё +#-]{0,12}", text in "[a-zA-Zé数据дё +#-]{0,30}") {
        let documents = [Document { name: text.as_str().into(), ..Document::default() }];
        let query = Query::parse(&query);
        let hits = search(&documents, &query, &Filter::default());
        let ranges = query.ranges(&text);
        for range in &ranges {
            prop_assert!(text.get(range.clone()).is_some_and(|part| !part.is_empty()));
        }
        prop_assert!(!query.terms.is_empty() || hits.len() == 1);
        if !query.terms.is_empty() && !hits.is_empty() {
            prop_assert!(!ranges.is_empty());
        }
    }

    #[test]
    fn a_word_finds_the_document_that_has_it(word in "[a-z]{2,10}|[а-яё]{2,10}|[一-龥]{1,4}") {
        let documents = [document("other", "thing", &[]), Document { description: format!("x {word} y").into(), ..Document::default() }];
        let hits = search(&documents, &Query::parse(&word), &Filter::default());
        prop_assert!(hits.iter().any(|hit| hit.at == 1), "{}", word);
    }
}
