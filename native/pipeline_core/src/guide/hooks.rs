//! Hooks and chains.
//!
//! The hooks of one point form a [`Chain`](crate::hook::Chain), which runs them around the base operation:
//!
//! ```text
//! around 1 ( around 2 ( … after hooks ( before hooks ( replace or base operation ) ) … ) )
//! ```
//!
//! | kind | is called with | can |
//! |---|---|---|
//! | [`Before`](crate::hook::Before) | the context | change it; answer early, so that nothing further inside runs |
//! | [`Replace`](crate::hook::Replace) | the context and `next` | do the work instead; fall back on the next replace hook or the base |
//! | [`After`](crate::hook::After) | the result | change it, also that of an early answer |
//! | [`Around`](crate::hook::Around) | the context and `next` | run the inside once, never, or again |
//!
//! A hook changes the context in place; what stands in it at the end is the result. Functions and closures
//! are hooks. Closures write the type of their context out; those with a `next` are given to `around_fn` and
//! `replace_fn`.
//!
//! ```
//! use pipeline_core::hook::{Attachment, Chain, ContextFamily, Flow, Hook};
//!
//! struct Texts;
//! impl ContextFamily for Texts {
//!     type Context<'a> = String;
//!     type Error = &'static str;
//! }
//!
//! let known = Hook::<Texts>::before(|text: &mut String| {
//!     if text == "ping" {
//!         *text = "pong".to_owned();
//!         return Ok(Flow::Answer);
//!     }
//!     Ok(Flow::Continue)
//! });
//! let retry = Hook::around_fn(|text: &mut String, next| {
//!     let asked = text.clone();
//!     if next.call(text).is_err() {
//!         *text = asked;
//!         next.call(text)?;
//!     }
//!     Ok(())
//! });
//! let mark = Hook::after(|text: &mut String| Ok(text.push('.')));
//!
//! let hooks = vec![
//!     Attachment::new("known", 1, known),
//!     Attachment::new("retry", 2, retry),
//!     Attachment::new("mark", 3, mark),
//! ];
//! let chain = Chain::new("ask", hooks, |_| &[])?;
//!
//! let mut attempts = 0;
//! let mut ask = |asked: &str| -> Result<String, Box<dyn std::error::Error>> {
//!     let mut text = asked.to_owned();
//!     let base = |text: &mut String| {
//!         attempts += 1;
//!         if attempts == 1 {
//!             return Err("the line is busy");
//!         }
//!         text.push_str(", answered");
//!         Ok(())
//!     };
//!     chain.run(&mut text, base, &mut Vec::new())?;
//!     Ok(text)
//! };
//! assert_eq!(ask("hello")?, "hello, answered.");
//! assert_eq!(ask("ping")?, "pong.");
//! assert_eq!(attempts, 2);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! A chain never changes. A [`Host`](crate::host::Host) makes a new one when plugins come or go;
//! `Host::chain` gives the one of now, and [`Chain::describe`](crate::hook::Chain::describe) tells it as
//! data.
//!
//! # Listeners
//!
//! Some points ask or tell, and have no base operation. [`Listen`](crate::hook::Listen) hooks read the
//! context and give a value; [`Listeners`](crate::hook::Listeners) take the first value, collect all, or just
//! tell everybody.
//!
//! ```
//! use pipeline_core::hook::{Attachment, ContextFamily, Listener, Listeners};
//!
//! # struct Texts;
//! # impl ContextFamily for Texts {
//! #     type Context<'a> = String;
//! #     type Error = &'static str;
//! # }
//! let route = |prefix: &'static str| {
//!     Listener::<Texts, _>::new(move |path: &String| Ok(path.starts_with(prefix).then_some(prefix)))
//! };
//! let hooks = vec![Attachment::new("blog", 1, route("/blog")), Attachment::new("shop", 2, route("/shop"))];
//! let routes = Listeners::new("route", hooks, |_| &[])?;
//! let taken = routes.first(&"/shop/cart".to_owned(), &mut Vec::new())?;
//! assert_eq!(taken, Some("/shop"));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! Listeners are on their own: a host has no points for them.
