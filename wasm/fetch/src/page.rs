//! A page's HTML as Markdown, its title first.

use url::Url;

use crate::{markdown, tree};

const NOTHING: &str = "[no text: the page may need JavaScript; raw=true shows its source]";
const CUT: &str = "\n\n[the page is too large to be shown as a whole: the rest is left out]";

/// The text of a page that was fetched from `url`.
pub fn read(html: &str, url: &Url) -> String {
    let page = tree::parse(html, url);
    let body = markdown::write(&page);
    let mut text = match page.title.as_str() {
        "" => String::new(),
        title if is_heading(&body, title) => String::new(),
        title => format!("# {title}\n\n"),
    };
    let is_cut = page.is_cut || page.room.is_used_up();
    match (body.is_empty(), is_cut) {
        (true, false) => text.push_str(NOTHING),
        (_, false) => text.push_str(&body),
        (_, true) => {
            text.push_str(&body);
            text.push_str(CUT);
        }
    }
    text
}

/// Whether a title says no more than the first heading: often, it has the site's name added.
fn is_heading(body: &str, title: &str) -> bool {
    let heading = body.lines().find_map(|line| line.strip_prefix("# "));
    heading.is_some_and(|heading| title.contains(heading))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(html: &str) -> String {
        read(html, &Url::parse("https://a.example/dir/page?q").unwrap())
    }

    #[test]
    fn a_title_is_said_once() {
        assert_eq!(shown("<title> A\n page </title><p>text"), "# A page\n\ntext");
        assert_eq!(shown("<title>T</title><h1>T</h1><p>text"), "# T\n\ntext");
        assert_eq!(shown("<title>T | Site</title><h1>T</h1><p>text"), "# T\n\ntext");
        assert_eq!(shown("<title>T</title><h1>Other</h1>"), "# T\n\n# Other");
        assert_eq!(shown("<title>T</title><script>x()</script>"), format!("# T\n\n{NOTHING}"));
    }

    #[test]
    fn links_and_images_are_absolute() {
        let html = r#"<base href="/b/"><a href="x?y=1">one</a>, <a href="//h/z">two</a>, <a
            href="javascript:x()">three</a>, <a href="https://a.example/dir/page?q#top">four</a>
            <img src="i.png" alt="A  cat"><img src="j.png"><img alt="k" src="data:image/png,x">"#;
        let expected = "[one](https://a.example/b/x?y=1), [two](https://h/z), three, four \
            ![A cat](https://a.example/b/i.png)";
        assert_eq!(shown(html), expected);
    }

    #[test]
    fn what_is_no_content_is_left_out() {
        let html = "<body><header><a href=/>Home</a></header><nav>Menu</nav><style>p{}</style>
            <div hidden>x</div><p aria-hidden=true>y</p><!-- z --><template>t</template>
            <article><header><h1>Head</h1></header><p>Text<footer>signed</footer></article>
            <form><button>Go</button><input value=1></form><footer>Legal</footer>";
        assert_eq!(shown(html), "# Head\n\nText\n\nsigned");
        let text = "word ".repeat(60);
        let html = format!("<div>Before</div><main><p>{text}</main><aside>After</aside>");
        assert_eq!(shown(&html), text.trim_end());
    }

    #[test]
    fn depth_and_number_of_elements_are_bounded() {
        let deep = format!("{}text{}", "<div>".repeat(3_000), "</div>".repeat(3_000));
        assert_eq!(shown(&deep), "text");
        let deep = format!("{}<b>text</b>", "<ul><li>".repeat(1_000));
        assert!(shown(&deep).ends_with("text"), "{}", shown(&deep));
        let href = "x".repeat(100_000);
        let long = format!("<base href='/{href}/'>{}", "<a href=y>z</a> ".repeat(1_000));
        let text = shown(&long);
        assert!(text.len() < 50 << 20 && text.ends_with(CUT));
        let many = format!("first{}last", "<b></b>".repeat(tree::ELEMENTS));
        assert_eq!(shown(&many), format!("first{CUT}"));
    }
}
