//! The smallest and the largest.

use super::Scene;

#[tokio::test]
async fn small_and_wide_tables() {
    let columns = |more: &str| {
        (1..1600)
            .map(|number| format!(", c{number} {more}"))
            .collect::<String>()
    };
    let values: String = (1..1600).map(|number| format!(", i + {number}")).collect();
    let source = format!(
        "CREATE TABLE public.nothing (id integer PRIMARY KEY, name text);
         CREATE TABLE public.one (id integer PRIMARY KEY, name text);
         INSERT INTO public.one VALUES (1, 'One');
         CREATE TABLE public.wide (id integer PRIMARY KEY{});
         INSERT INTO public.wide SELECT i{values} FROM generate_series(1, 50) AS i",
        columns("integer")
    );
    let target = format!(
        "CREATE TABLE public.nothings (id uuid PRIMARY KEY, name text);
         CREATE TABLE public.ones (id uuid PRIMARY KEY, name text);
         CREATE TABLE public.wides (id integer PRIMARY KEY{})",
        columns("integer")
    );
    let scene = Scene::new("told_size", &source, &target).await;
    let entity = |name: &str| {
        format!(
            "[entities.{name}s]\nfrom = \"public.{name}\"\ninto = \"public.{name}s\"\n\n[entities.{name}s.columns]\nid = {{ id = true }}\n\n"
        )
    };
    let wide = "[entities.wides]\nfrom = \"public.wide\"\ninto = \"public.wides\"\n";
    scene.map(&(entity("nothing") + &entity("one") + wide));
    let told = [
        scene.told(&["check"]),
        scene.told(&["migrate"]),
        scene.told(&["validate"]),
    ];
    insta::assert_snapshot!("small_and_wide", told.join("\n"));
}

#[tokio::test]
async fn five_hundred_entities() {
    let (mut source, mut target, mut mapping) = (String::new(), String::new(), String::new());
    for number in 1..=500 {
        source.push_str(&format!(
            "CREATE TABLE public.t{number} (id integer PRIMARY KEY, name text);"
        ));
        target.push_str(&format!(
            "CREATE TABLE public.t{number} (id uuid PRIMARY KEY, name text);"
        ));
        mapping.push_str(&format!(
            "[entities.e{number}]\nfrom = \"public.t{number}\"\ninto = \"public.t{number}\"\n[entities.e{number}.columns]\nid = {{ id = true }}\n\n"
        ));
    }
    let scene = Scene::new("told_many", &source, &target).await;
    scene.map(&mapping.replace("from = \"public.t317\"", "from = \"public.x317\""));
    insta::assert_snapshot!("one_of_five_hundred_is_wrong", scene.told(&["check"]));
    scene.map(&mapping);
    insta::assert_snapshot!("five_hundred", scene.told(&["check"]));
}
