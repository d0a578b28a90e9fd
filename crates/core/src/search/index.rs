//! The index of the documents of one marketplace, as bytes: which terms each has, how much
//! they weigh there, and where its row begins in the text of the documents.
//!
//! All numbers are little-endian. `b` is a byte, `w` four bytes, `q` eight, `v` a number in
//! groups of seven bits, the lowest first, with the eighth bit set in all but the last.
//!
//! | part | what |
//! |---|---|
//! | head | [`MAGIC`], w version, w CRC-32 of all that follows, q bytes and w CRC-32 of the documents' text, w documents, w terms, w bytes of the vocabulary, w bytes of the spellings, q weight of all documents |
//! | documents | [`ROW`] bytes each: w offset and w length of its row, w CRC-32 of the row, q key, q description, w CRC-32 of its name, w weight |
//! | blocks | for every [`BLOCK`]th term: w its place in the vocabulary, w that of its list in the lists |
//! | vocabulary | in ascending order, each: b length, its bytes, v bytes of its list |
//! | spellings | words as they stand in names, labels and descriptions, where that is not their term: b length, its bytes, v place of the term in the vocabulary |
//! | lists | in the order of the vocabulary, for each document that has the term: v distance to the one before, b weight |
//!
//! Nothing of it is believed: what does not fit its own checksum and bounds is not an index, and
//! whoever reads it makes a new one from the documents.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use super::words::{for_each_word, join_words};
use super::{SearchDocument, terms};

/// How an index begins; the version is raised with every change of what is written or of how
/// words become terms.
const MAGIC: &[u8; 8] = b"ba-index";
const VERSION: u32 = 2;
const HEAD: usize = 8 + 4 + 4 + 8 + 4 + 4 + 4 + 4 + 4 + 8;
const ROW: usize = 4 + 4 + 4 + 8 + 8 + 4 + 4;

/// Terms in a block. The blocks are searched by halves, then one of them is read from its start.
const BLOCK: usize = 32;
/// How much a word weighs by where it stands, in fifths of one in a description.
const NAME: u32 = 15;
const LABEL: u32 = 10;
const TEXT: u32 = 5;
const BODY: u32 = 2;
const WHOLE_BODY: u32 = 1;
/// Bytes of a field that are indexed: a description has at most 1,024 characters by the
/// specification, and nobody looks for what stands behind that.
const MOST: usize = 4_096;
/// Descriptions shorter than this say too little for equal ones to be copies.
const TELLING: usize = 24;

/// Where a document's row is in the text of the documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentRow {
    pub offset: u32,
    pub length: u32,
    crc: u32,
}

impl DocumentRow {
    /// True for the bytes that were indexed.
    pub fn is(&self, bytes: &[u8]) -> bool {
        bytes.len() == self.length as usize && crc32fast::hash(bytes) == self.crc
    }
}

/// What is known of a document without its text.
#[derive(Debug, Clone, Copy)]
pub struct DocumentFacts {
    pub row: DocumentRow,
    /// [`document_key`] of its entry and name.
    pub key: u64,
    /// The same for equal descriptions; 0 for one that says too little.
    pub description: u64,
    name: u32,
}

/// What tells the skill `name` of the entry `plugin` from others of its marketplace.
pub fn document_key(plugin: &str, name: &str) -> u64 {
    hash_texts(&[plugin, "\0", name])
}

fn hash_texts(texts: &[&str]) -> u64 {
    let mut hash = Sha256::new();
    texts.iter().for_each(|text| hash.update(text.as_bytes()));
    hash.finalize().first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

/// What [`DocumentFacts::name`] is for a query that is this name.
pub(super) fn name_of(words: &str) -> u32 {
    crc32fast::hash(words.as_bytes())
}

/// Takes documents, one after the other, and makes an index of them.
#[derive(Debug)]
pub struct IndexBuilder {
    ids: HashMap<String, u32>,
    /// Words that came before, and their terms.
    known: HashMap<String, Vec<u32>>,
    spellings: HashMap<String, u32>,
    lists: Vec<PostingList>,
    rows: Vec<u8>,
    documents: u32,
    weight: u64,
    /// Terms of the document at hand.
    found: Vec<(u32, u32)>,
    /// What a word of a body weighs.
    body: u32,
}

impl Default for IndexBuilder {
    fn default() -> Self {
        Self {
            ids: HashMap::new(),
            known: HashMap::new(),
            spellings: HashMap::new(),
            lists: Vec::new(),
            rows: Vec::new(),
            documents: 0,
            weight: 0,
            found: Vec::new(),
            body: BODY,
        }
    }
}

#[derive(Debug, Default)]
struct PostingList {
    bytes: Vec<u8>,
    /// One more than the last document.
    next: u32,
}

impl IndexBuilder {
    /// For documents with whole bodies instead of their beginnings: a word in one weighs a fifth
    /// of one in a description.
    pub fn for_whole_bodies() -> Self {
        Self { body: WHOLE_BODY, ..Self::default() }
    }

    /// Adds a document whose row stands at `offset`.
    pub fn add_document(&mut self, document: &SearchDocument<'_>, offset: usize, row: &[u8]) {
        self.found.clear();
        self.add_field(&document.name, NAME);
        for label in document.tags.iter().chain(&document.keywords).chain(&document.triggers) {
            self.add_field(&label.0, LABEL);
        }
        for text in [&document.plugin, &document.category, &document.description] {
            self.add_field(text, TEXT);
        }
        self.add_field(&document.body, self.body);
        let weight = self.close_document();
        let description = document.description.trim();
        let description = if description.len() < TELLING { 0 } else { hash_texts(&[description]).max(1) };
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        for word in [number(offset), number(row.len()), crc32fast::hash(row)] {
            self.rows.extend(word.to_le_bytes());
        }
        self.rows.extend(document_key(&document.plugin, &document.name).to_le_bytes());
        self.rows.extend(description.to_le_bytes());
        self.rows.extend(name_of(&join_words(&document.name)).to_le_bytes());
        self.rows.extend(weight.to_le_bytes());
        self.documents += 1;
        self.weight += u64::from(weight);
    }

    /// Notes the terms of a field.
    fn add_field(&mut self, text: &str, weight: u32) {
        let text = cut_at(text, MOST);
        for_each_word(text, |_, word| {
            if weight <= TEXT && terms::is_stop_word(word.text()) {
                return;
            }
            if !self.known.contains_key(word.text()) {
                let ids = terms::terms_of_word(word).into_iter().map(|term| self.term_id(term)).collect();
                self.known.insert(word.text().to_owned(), ids);
            }
            let ids = self.known.get(word.text()).map(Vec::as_slice).unwrap_or_default();
            self.found.extend(ids.iter().map(|id| (*id, weight)));
            if let ([id], true) = (ids, weight >= TEXT && !self.spellings.contains_key(word.text())) {
                self.spellings.insert(word.text().to_owned(), *id);
            }
        });
    }

    fn term_id(&mut self, term: String) -> u32 {
        let next = u32::try_from(self.lists.len()).unwrap_or(u32::MAX);
        let id = *self.ids.entry(term).or_insert(next);
        if id == next {
            self.lists.push(PostingList::default());
        }
        id
    }

    /// Writes the terms of a document into their lists; its weight.
    fn close_document(&mut self) -> u32 {
        self.found.sort_unstable();
        let mut total = 0_u32;
        for same in self.found.chunk_by(|a, b| a.0 == b.0) {
            let sum = same.iter().fold(0_u32, |sum, (_, weight)| sum.saturating_add(*weight));
            total = total.saturating_add(sum);
            let Some(list) = same.first().and_then(|(id, _)| self.lists.get_mut(*id as usize)) else {
                continue;
            };
            number(&mut list.bytes, u64::from(self.documents - list.next));
            list.bytes.push(u8::try_from(sum).unwrap_or(u8::MAX));
            list.next = self.documents + 1;
        }
        total
    }

    /// The index of all that was added, which are the documents of `text`.
    pub fn into_bytes(self, text: &str) -> Vec<u8> {
        let mut terms: Vec<(String, u32)> = self.ids.into_iter().collect();
        terms.sort_unstable();
        let (mut blocks, mut vocabulary) = (Vec::new(), Vec::new());
        let (mut spellings, mut lists) = (Vec::new(), Vec::new());
        let word = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
        let mut places = vec![0_usize; self.lists.len()];
        for (place, (term, id)) in terms.iter().enumerate() {
            let (Some(list), Some(own)) = (self.lists.get(*id as usize), places.get_mut(*id as usize)) else {
                continue;
            };
            *own = place;
            if place.is_multiple_of(BLOCK) {
                blocks.extend([word(vocabulary.len()), word(lists.len())].as_flattened());
            }
            vocabulary.push(u8::try_from(term.len()).unwrap_or(0));
            vocabulary.extend(term.as_bytes());
            number(&mut vocabulary, list.bytes.len() as u64);
            lists.extend(&list.bytes);
        }
        let mut words: Vec<(String, u32)> = self.spellings.into_iter().collect();
        words.sort_unstable();
        for (text, id) in words.iter().filter(|(text, _)| text.len() <= terms::LONGEST) {
            let place = places.get(*id as usize).copied().unwrap_or_default();
            // Most words are their own terms.
            if terms.get(place).is_some_and(|(term, _)| term != text) {
                spellings.push(u8::try_from(text.len()).unwrap_or(0));
                spellings.extend(text.as_bytes());
                number(&mut spellings, place as u64);
            }
        }
        let mut rest = Vec::with_capacity(HEAD + self.rows.len() + vocabulary.len() + lists.len());
        rest.extend((text.len() as u64).to_le_bytes());
        rest.extend(crc32fast::hash(text.as_bytes()).to_le_bytes());
        rest.extend(self.documents.to_le_bytes());
        rest.extend(word(terms.len()));
        rest.extend(word(vocabulary.len()));
        rest.extend(word(spellings.len()));
        rest.extend(self.weight.to_le_bytes());
        for part in [&self.rows, &blocks, &vocabulary, &spellings, &lists] {
            rest.extend(part.as_slice());
        }
        seal_index(&rest)
    }
}

/// What stands behind the checksum, with it and all before it.
pub(super) fn seal_index(rest: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(rest.len() + MAGIC.len() + 8);
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(crc32fast::hash(rest).to_le_bytes());
    bytes.extend(rest);
    bytes
}

/// The beginning of a text, of at most `most` bytes.
fn cut_at(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

fn number(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Bytes that are read from the front.
#[derive(Debug, Clone, Copy)]
struct ByteReader<'a>(&'a [u8]);

impl<'a> ByteReader<'a> {
    fn take_bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn read_byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn read_word(&mut self) -> Option<u32> {
        self.take_bytes(4)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
    }

    fn read_long(&mut self) -> Option<u64> {
        self.take_bytes(8)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
    }

    fn read_number(&mut self) -> Option<u32> {
        let mut value = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.read_byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return u32::try_from(value).ok();
            }
        }
        None
    }
}

/// An index that was read.
#[derive(Debug)]
pub struct SearchIndex<'a> {
    /// Bytes of the documents' text that it was made of.
    pub length: u64,
    crc: u32,
    rows: &'a [u8],
    blocks: &'a [u8],
    vocabulary: &'a [u8],
    lists: &'a [u8],
    spellings: &'a [u8],
    /// The weight of all documents.
    pub(super) weight: u64,
}

/// A term and the documents that have it.
#[derive(Debug, Clone, Copy)]
pub(super) struct IndexedTerm<'a> {
    pub(super) text: &'a str,
    list: &'a [u8],
}

impl<'a> SearchIndex<'a> {
    /// Reads an index; `None` for bytes that are none: of another version, cut, damaged.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = ByteReader(bytes);
        if reader.take_bytes(MAGIC.len())? != MAGIC || reader.read_word()? != VERSION {
            return None;
        }
        if reader.read_word()? != crc32fast::hash(reader.0) {
            return None;
        }
        let (length, crc) = (reader.read_long()?, reader.read_word()?);
        let (documents, count) = (reader.read_word()?, reader.read_word()?);
        let (words, spellings) = (reader.read_word()?, reader.read_word()?);
        let weight = reader.read_long()?;
        let rows = reader.take_bytes((documents as usize).checked_mul(ROW)?)?;
        let blocks = reader.take_bytes((count as usize).div_ceil(BLOCK).checked_mul(8)?)?;
        let vocabulary = reader.take_bytes(words as usize)?;
        let spellings = reader.take_bytes(spellings as usize)?;
        Some(Self { length, crc, rows, blocks, vocabulary, lists: reader.0, spellings, weight })
    }

    /// True for the text that it was made of.
    pub fn is_of(&self, text: &str) -> bool {
        self.length == text.len() as u64 && self.crc == crc32fast::hash(text.as_bytes())
    }

    /// How many documents it has.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        self.rows.len() / ROW
    }

    /// What is known of a document.
    pub fn document_at(&self, at: usize) -> Option<DocumentFacts> {
        let start = at.checked_mul(ROW)?;
        let mut reader = ByteReader(self.rows.get(start..start + ROW)?);
        let row = DocumentRow {
            offset: reader.read_word()?,
            length: reader.read_word()?,
            crc: reader.read_word()?,
        };
        let (key, description) = (reader.read_long()?, reader.read_long()?);
        Some(DocumentFacts { row, key, description, name: reader.read_word()? })
    }

    /// Everything that is known of its documents.
    pub fn all_documents(&self) -> impl Iterator<Item = DocumentFacts> {
        (0..self.len()).map_while(|at| self.document_at(at))
    }

    /// How many documents have the first word of a text, in whatever form.
    pub(crate) fn count_documents_with(&self, text: &str) -> usize {
        let mut count = None;
        for_each_word(text, |_, word| {
            let terms = terms::terms_of_word(word);
            let most = || terms.iter().filter_map(|term| self.find_term(term));
            count
                .get_or_insert_with(|| most().map(|term| term.document_weights().count()).max().unwrap_or(0));
        });
        count.unwrap_or(0)
    }

    /// What a document weighs.
    pub(super) fn weight_of(&self, at: usize) -> Option<u32> {
        self.number_of(at, ROW - 4)
    }

    /// What [`name_of`] is of its name.
    pub(super) fn name_of(&self, at: usize) -> Option<u32> {
        self.number_of(at, ROW - 8)
    }

    /// A number of a document's row.
    fn number_of(&self, at: usize, place: usize) -> Option<u32> {
        let bytes = self.rows.get(at.checked_mul(ROW)?..)?.get(place..)?;
        bytes.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
    }

    /// All terms, in ascending order.
    pub(super) fn all_terms(&self) -> impl Iterator<Item = IndexedTerm<'a>> {
        self.walk_block(0).into_iter().flatten()
    }

    /// Words as they are written, where that is not their term, and the place of that.
    pub(super) fn all_spellings(&self) -> impl Iterator<Item = (&'a str, usize)> {
        let mut reader = ByteReader(self.spellings);
        std::iter::from_fn(move || {
            let length = reader.read_byte()?;
            let text = std::str::from_utf8(reader.take_bytes(usize::from(length))?).ok()?;
            Some((text, reader.read_number()? as usize))
        })
    }

    /// The term at a place of the vocabulary.
    pub(super) fn term_at(&self, place: usize) -> Option<IndexedTerm<'a>> {
        self.walk_block(place / BLOCK)?.nth(place % BLOCK)
    }

    /// The terms from the first of a block.
    fn walk_block(&self, block: usize) -> Option<TermWalk<'a>> {
        let mut reader = ByteReader(self.blocks.get(block.checked_mul(8)?..)?);
        let (word, list) = (reader.read_word()? as usize, reader.read_word()? as usize);
        Some(TermWalk {
            words: ByteReader(self.vocabulary.get(word..)?),
            lists: ByteReader(self.lists.get(list..)?),
        })
    }

    /// Documents that have the name of `entry`, but for case and signs.
    pub fn documents_of_same_name(&self, entry: &DocumentFacts) -> impl Iterator<Item = usize> {
        self.of_name(entry.name)
    }

    /// Documents that are called `name`, but for case and signs.
    pub fn documents_named(&self, name: &str) -> impl Iterator<Item = usize> {
        self.of_name(name_of(&join_words(name)))
    }

    fn of_name(&self, name: u32) -> impl Iterator<Item = usize> {
        let name = name.to_le_bytes();
        let rows = self.rows.chunks_exact(ROW).enumerate();
        rows.filter(move |(_, row)| row.get(ROW - 8..ROW - 4) == Some(&name)).map(|(at, _)| at)
    }

    /// The term with exactly this text.
    pub(super) fn find_term(&self, term: &str) -> Option<IndexedTerm<'a>> {
        let first = |block: usize| self.walk_block(block).and_then(|mut walk| walk.next());
        let (mut low, mut high) = (0, self.blocks.len() / 8);
        while low < high {
            let middle = low.midpoint(high);
            if first(middle)?.text <= term { low = middle + 1 } else { high = middle }
        }
        let mut near = self.walk_block(low.checked_sub(1)?)?.take(BLOCK);
        near.find(|known| known.text >= term).filter(|known| known.text == term)
    }
}

/// Goes through the terms of an index.
#[derive(Debug)]
struct TermWalk<'a> {
    words: ByteReader<'a>,
    lists: ByteReader<'a>,
}

impl<'a> Iterator for TermWalk<'a> {
    type Item = IndexedTerm<'a>;

    fn next(&mut self) -> Option<IndexedTerm<'a>> {
        let length = self.words.read_byte()?;
        let text = std::str::from_utf8(self.words.take_bytes(usize::from(length))?).ok()?;
        let size = self.words.read_number()?;
        Some(IndexedTerm { text, list: self.lists.take_bytes(size as usize)? })
    }
}

impl IndexedTerm<'_> {
    /// The documents that have it, and how much it weighs there.
    pub(super) fn document_weights(&self) -> impl Iterator<Item = (usize, u8)> {
        let mut reader = ByteReader(self.list);
        let mut next = 0_usize;
        std::iter::from_fn(move || {
            let at = next.checked_add(reader.read_number()? as usize)?;
            next = at.checked_add(1)?;
            Some((at, reader.read_byte()?))
        })
    }
}
