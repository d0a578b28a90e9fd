//! Faces: one way to choose from a list at a terminal, whatever the list is of. What a key does
//! ([`state`]) and what is seen ([`draw`]) are computed without a terminal; [`keyboard`] and
//! [`screen`] are the thin rest.
//!
//! Keys are read by ourselves, with what `rustix` has: the readers of `console` and `crossterm`
//! that are in the tree for other reasons turn the echo on between two keys, or spin for ever
//! where the terminal goes away.

mod draw;
mod filter;
mod fit;
mod keyboard;
#[cfg_attr(not(unix), allow(dead_code))] // consoles of Windows give keys, not bytes
mod keys;
mod numbered;
mod screen;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use numbered::ask_for_numbers;
pub(crate) use state::{PickerItem, PickerQuestion, SelectionMode};

use ba_agent_core::error::{Error, Kind, Result, fail};
use ba_agent_system::interrupt;

use draw::draw_frame;
use keyboard::Keyboard;
use screen::Screen;
use state::{Outcome, PickerState};

/// Shows the list on the whole screen until the person has chosen: positions in the items of the
/// question, in their order. `None` for a person who left with Esc.
///
/// # Errors
/// `Interrupted` at Ctrl-C, at a signal that ends the program, and where the terminal went away.
pub(crate) fn choose_on_screen(question: PickerQuestion, coloured: bool) -> Result<Option<Vec<usize>>> {
    let mut state = PickerState::new(question);
    let mut keyboard = Keyboard::open().map_err(error_of_lost_terminal)?;
    let mut screen = Screen::open(coloured).map_err(error_of_lost_terminal)?;
    let mut size = screen.size();
    let mut frame = draw_frame(&state, size);
    let mut is_new = true;
    loop {
        if std::mem::take(&mut is_new) {
            frame = draw_frame(&state, size);
            screen.show(&frame).map_err(error_of_lost_terminal)?;
        }
        let keys = keyboard.read_keys().map_err(error_of_lost_terminal)?;
        interrupt::check()?;
        if screen.size() != size {
            // What the terminal made of the lines is not known.
            size = screen.size();
            screen.forget();
            is_new = true;
        }
        is_new |= !keys.is_empty();
        for key in keys {
            match state.press(key, frame.page) {
                Outcome::Open => {}
                Outcome::Redraw => screen.forget(),
                Outcome::Chosen(chosen) => return Ok(Some(chosen)),
                Outcome::Left => return Ok(None),
                Outcome::Interrupted => fail!(Interrupted, "stopped before anything was changed"),
            }
        }
    }
}

/// The error for a terminal that can be neither read nor written any more.
pub(crate) fn error_of_lost_terminal(error: std::io::Error) -> Error {
    Error::new(Kind::Interrupted, "the terminal was closed before anything was changed").cause(error)
}
