//! Makes HTML pages with a search out of a folder of Markdown files: `docs_site FOLDER OUTPUT`, in the folder of the
//! project.
//!
//! `docs/site/pages.exs` writes the folder. `pages.tsv` has a page in each line: its file, its title, its group and the
//! path that its links are relative to. `names.tsv` has code that becomes a link, and where to.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};
use std::{env, fs, io};

use pulldown_cmark::{html, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

struct Page {
    file: String,
    title: String,
    group: String,
    source: PathBuf,
}

struct Site {
    pages: Vec<Page>,
    names: BTreeMap<String, String>,
    output: PathBuf,
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [folder, output] = arguments.as_slice() else {
        return Err(io::Error::other("usage: docs_site FOLDER OUTPUT"));
    };
    let folder = Path::new(folder);
    let site = Site {
        pages: read_rows(&folder.join("pages.tsv"))?
            .into_iter()
            .map(page)
            .collect(),
        names: read_rows(&folder.join("names.tsv"))?
            .into_iter()
            .map(|mut row| (row.remove(0), row.remove(0)))
            .collect(),
        output: output.into(),
    };

    let mut index = String::from("const sections = [\n");
    for page in &site.pages {
        let text = fs::read_to_string(folder.join(&page.file).with_extension("md"))?;
        let body = site.render(page, &text, &mut index)?;
        fs::write(site.output.join(&page.file), site.around(page, &body))?;
    }
    index.push_str("];\n");
    fs::write(site.output.join("sections.js"), index)?;
    fs::write(
        site.output.join("style.css"),
        include_str!("../assets/style.css"),
    )?;
    fs::write(
        site.output.join("search.js"),
        include_str!("../assets/search.js"),
    )
}

fn read_rows(path: &Path) -> io::Result<Vec<Vec<String>>> {
    let text = fs::read_to_string(path)?;
    Ok(text
        .lines()
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect())
}

fn page(row: Vec<String>) -> Page {
    let [file, title, group, source] = row.try_into().expect("a page has four columns");
    Page {
        file,
        title,
        group,
        source: source.into(),
    }
}

impl Site {
    fn render(&self, page: &Page, text: &str, index: &mut String) -> io::Result<String> {
        let options = Options::ENABLE_TABLES
            | Options::ENABLE_HEADING_ATTRIBUTES
            | Options::ENABLE_STRIKETHROUGH;
        let mut events: Vec<Event<'_>> = Parser::new_ext(text, options).collect();
        name_headings(&mut events);
        index_sections(page, &events, index);

        let mut links: Vec<bool> = Vec::new();
        let mut linked = Vec::with_capacity(events.len());
        for event in events {
            match event {
                Event::Start(Tag::Link {
                    link_type,
                    dest_url,
                    title,
                    id,
                }) => {
                    let target = self.target(page, &dest_url)?;
                    links.push(target.is_some());
                    if let Some(dest_url) = target {
                        linked.push(Event::Start(Tag::Link {
                            link_type,
                            dest_url: dest_url.into(),
                            title,
                            id,
                        }));
                    }
                }
                // A link to what is not on the site stays as its text.
                Event::End(TagEnd::Link) => {
                    if links.pop() == Some(true) {
                        linked.push(Event::End(TagEnd::Link));
                    }
                }
                Event::Start(Tag::Image {
                    link_type,
                    dest_url,
                    title,
                    id,
                }) => {
                    let dest_url = self.target(page, &dest_url)?.map_or(dest_url, CowStr::from);
                    linked.push(Event::Start(Tag::Image {
                        link_type,
                        dest_url,
                        title,
                        id,
                    }));
                }
                Event::Code(code) => linked.push(self.code(page, code, links.is_empty())),
                other => linked.push(other),
            }
        }

        let mut body = String::new();
        html::push_html(&mut body, linked.into_iter());
        Ok(body)
    }

    // A page of the site, or a file of the project, which is copied.
    fn target(&self, page: &Page, url: &str) -> io::Result<Option<String>> {
        if url.starts_with('#') || url.contains("://") || url.starts_with("mailto:") {
            return Ok(Some(url.to_owned()));
        }
        let (path, anchor) = url
            .split_once('#')
            .map_or((url, String::new()), |(path, anchor)| {
                (path, format!("#{anchor}"))
            });
        let path = normal(&page.source.parent().unwrap_or(Path::new("")).join(path));

        if let Some(found) = self.pages.iter().find(|page| page.source == path) {
            return Ok(Some(found.file.clone() + &anchor));
        }
        if !path.is_file() {
            return Ok(None);
        }
        let copy = Path::new("files").join(&path);
        fs::create_dir_all(self.output.join(&copy).parent().unwrap_or(&self.output))?;
        fs::copy(&path, self.output.join(&copy))?;
        Ok(Some(copy.display().to_string()))
    }

    // `chain/2` in the docs of a module is a function of that module.
    fn code<'a>(&self, page: &Page, code: CowStr<'a>, outside_link: bool) -> Event<'a> {
        let name = code.trim_start_matches("c:").trim_start_matches("t:");
        let prefix = &code[..code.len() - name.len()];
        let local = || {
            self.names
                .get(&format!("{prefix}{}.{name}", page.source.display()))
        };
        match self.names.get(&*code).or_else(local) {
            Some(url) if outside_link => {
                let (url, name) = (escape(url), escape(name));
                Event::InlineHtml(format!("<a href=\"{url}\"><code>{name}</code></a>").into())
            }
            _ => Event::Code(code),
        }
    }

    fn around(&self, page: &Page, body: &str) -> String {
        let mut html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{} - Pipeline.Plugin</title>\n\
             <link rel=\"stylesheet\" href=\"style.css\">\n<nav>\n\
             <input id=\"search\" type=\"search\" placeholder=\"Search\" aria-label=\"Search\">\n<ul id=\"found\"></ul>\n",
            escape(&page.title)
        );
        let mut group = "";
        for other in &self.pages {
            if other.group != group {
                group = &other.group;
                let _ = writeln!(html, "<h2>{}</h2>", escape(group));
            }
            let current = if other.file == page.file {
                " aria-current=\"page\""
            } else {
                ""
            };
            let _ = writeln!(
                html,
                "<a href=\"{}\"{current}>{}</a>",
                escape(&other.file),
                escape(&other.title)
            );
        }
        let _ = write!(
            html,
            "<h2>Rust</h2>\n<a href=\"rust/pipeline_core/index.html\">pipeline_core</a>\n\
             <a href=\"rust/pipeline_term/index.html\">pipeline_term</a>\n</nav>\n<main>\n{body}</main>\n\
             <script src=\"sections.js\"></script>\n<script src=\"search.js\"></script>\n"
        );
        html
    }
}

// Without `.` and `..`, which need not exist.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

// Each heading without an id gets the one that GitHub gives it.
fn name_headings(events: &mut [Event<'_>]) {
    let mut taken = HashSet::new();
    for at in 0..events.len() {
        let Event::Start(Tag::Heading { id: None, .. }) = events[at] else {
            continue;
        };
        let text = heading_text(&events[at + 1..]);
        let plain: String = text
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let mut name = plain.clone();
        for number in 1.. {
            if taken.insert(name.clone()) {
                break;
            }
            name = format!("{plain}-{number}");
        }
        if let Event::Start(Tag::Heading { id, .. }) = &mut events[at] {
            *id = Some(name.into());
        }
    }
}

fn heading_text(events: &[Event<'_>]) -> String {
    let heading = events
        .iter()
        .take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
    heading
        .filter_map(|event| {
            if let Event::Text(text) | Event::Code(text) = event {
                Some(&**text)
            } else {
                None
            }
        })
        .collect()
}

// Titles weigh more than text in search.js.
fn index_sections(page: &Page, events: &[Event<'_>], index: &mut String) {
    let mut section = (page.title.clone(), page.file.clone(), String::new());
    for (at, event) in events.iter().enumerate() {
        match event {
            Event::Start(Tag::Heading { level, id, .. }) if *level != HeadingLevel::H1 => {
                let url = format!("{}#{}", page.file, id.as_deref().unwrap_or(""));
                let next = (heading_text(&events[at + 1..]), url, String::new());
                push_section(page, &std::mem::replace(&mut section, next), index);
            }
            Event::Text(text) | Event::Code(text) => {
                section.2.push_str(text);
                section.2.push(' ');
            }
            _ => {}
        }
    }
    push_section(page, &section, index);
}

// A string as Rust shows it is one for JavaScript too.
fn push_section(page: &Page, (title, url, text): &(String, String, String), index: &mut String) {
    let _ = writeln!(index, "[{title:?},{url:?},{:?},{text:?}],", page.title);
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
