use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// The prose of a Markdown text, which plain text is too: its paragraphs and list items, without headings,
/// code blocks, tables, raw HTML and images.
pub(super) fn paragraphs(text: &str) -> Vec<String> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS
        | Options::ENABLE_STRIKETHROUGH;
    let mut paragraphs = Vec::new();
    let mut current = String::new();
    // How many of the elements that are left out enclose the present place.
    let mut outside = 0_usize;
    for event in Parser::new_ext(text, options) {
        match event {
            Event::Start(tag) if is_left_out(&tag) => {
                finish(&mut current, &mut paragraphs);
                outside += 1;
            }
            Event::End(tag) if is_end_left_out(tag) => outside = outside.saturating_sub(1),
            Event::Start(Tag::Image { .. }) => outside += 1,
            Event::End(TagEnd::Image) => outside = outside.saturating_sub(1),
            Event::Start(Tag::Paragraph | Tag::Item)
            | Event::End(TagEnd::Paragraph | TagEnd::Item) => {
                finish(&mut current, &mut paragraphs);
            }
            Event::Text(text) | Event::Code(text) if outside == 0 => current.push_str(&text),
            Event::SoftBreak | Event::HardBreak if outside == 0 => current.push(' '),
            _ => {}
        }
    }
    finish(&mut current, &mut paragraphs);
    paragraphs
}

fn is_left_out(tag: &Tag<'_>) -> bool {
    matches!(
        tag,
        Tag::Heading { .. }
            | Tag::CodeBlock(_)
            | Tag::Table(_)
            | Tag::HtmlBlock
            | Tag::MetadataBlock(_)
    )
}

fn is_end_left_out(tag: TagEnd) -> bool {
    matches!(
        tag,
        TagEnd::Heading(_)
            | TagEnd::CodeBlock
            | TagEnd::Table
            | TagEnd::HtmlBlock
            | TagEnd::MetadataBlock(_)
    )
}

fn finish(current: &mut String, paragraphs: &mut Vec<String>) {
    let paragraph = current.trim();
    if !paragraph.is_empty() {
        paragraphs.push(paragraph.to_owned());
    }
    current.clear();
}

#[cfg(test)]
mod tests {
    use super::paragraphs;

    #[test]
    fn headings_code_and_tables_are_left_out() {
        let text = "# Title\n\nSome *prose* with `code`,\nand [a link](x).\n\n    indented\n\n```rust\nfenced\n```\n\n\
            | a | b |\n|---|---|\n| 1 | 2 |\n\n<div>html</div>\n\nMore.";
        assert_eq!(
            paragraphs(text),
            ["Some prose with code, and a link.", "More."]
        );
    }

    #[test]
    fn list_items_are_paragraphs() {
        assert_eq!(
            paragraphs("Intro:\n\n- one\n- two\n  - three"),
            ["Intro:", "one", "two", "three"]
        );
    }

    #[test]
    fn plain_text_is_prose() {
        assert_eq!(
            paragraphs("First line\nsecond line.\n\nNext."),
            ["First line second line.", "Next."]
        );
    }
}
