//! What stands before what: needed skills before those that need them, and the circles.

use std::collections::{BTreeMap, BTreeSet};

/// Names in an order, and the circles among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrangement {
    /// Each name once, after all that it needs; those of one circle by their names.
    pub order: Vec<String>,
    /// A way round each circle, from its first name back to it.
    pub cycles: Vec<Vec<String>>,
}

/// Arranges names by what each needs. Names that are needed and are no key are left out. The
/// result depends on names and needs alone.
pub fn arrange_skills(needs: &BTreeMap<&str, Vec<&str>>) -> Arrangement {
    let names: Vec<&str> = needs.keys().copied().collect();
    let position: BTreeMap<&str, usize> = names.iter().enumerate().map(|(at, name)| (*name, at)).collect();
    let mut edges: Vec<Vec<usize>> = Vec::with_capacity(names.len());
    for (name, needed) in needs {
        let mut to: Vec<usize> = needed
            .iter()
            .filter(|needed| *needed != name)
            .filter_map(|needed| position.get(needed).copied())
            .collect();
        to.sort_unstable();
        to.dedup();
        edges.push(to);
    }
    let mut arrangement = Arrangement::default();
    for component in strong_components(&edges) {
        if component.len() > 1 {
            arrangement
                .cycles
                .push(way_round(&component, &edges).into_iter().map(|at| names[at].to_owned()).collect());
        }
        arrangement.order.extend(component.iter().map(|at| names[*at].to_owned()));
    }
    arrangement.cycles.sort();
    arrangement
}

/// Everything that `name` needs, each behind what it needs itself, without `name`; otherwise in the
/// order in which it is said. What is needed and is no key needs nothing.
pub fn order_of_needs(name: &str, needs: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let needs_of = |name: &str| needs.get(name).map_or(&[][..], Vec::as_slice);
    let mut seen = BTreeSet::from([name]);
    let mut order = Vec::new();
    // Without recursion, as below.
    let mut path = vec![(name, needs_of(name).iter())];
    while let Some((at, left)) = path.last_mut() {
        let at = *at;
        match left.find(|needed| !seen.contains(needed.as_str())) {
            Some(needed) => {
                seen.insert(needed);
                path.push((needed, needs_of(needed).iter()));
            }
            None => {
                order.extend((at != name).then(|| at.to_owned()));
                path.pop();
            }
        }
    }
    order
}

/// What is known of a node while it is looked at (Tarjan, "Depth-first search and linear graph
/// algorithms", 1972), without recursion: chains may be as long as somebody writes them.
#[derive(Clone, Copy, Default)]
struct NodeMark {
    index: Option<usize>,
    low: usize,
    on_stack: bool,
}

/// The sets of nodes that reach each other, each after all that it leads to; sorted inside.
fn strong_components(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut marks = vec![NodeMark::default(); edges.len()];
    let (mut next, mut stack, mut components) = (0, Vec::new(), Vec::new());
    for root in 0..edges.len() {
        if marks[root].index.is_some() {
            continue;
        }
        let mut path: Vec<(usize, usize)> = vec![(root, 0)];
        while let Some((node, edge)) = path.pop() {
            if edge == 0 {
                marks[node] = NodeMark { index: Some(next), low: next, on_stack: true };
                next += 1;
                stack.push(node);
            }
            let Some(&to) = edges[node].get(edge) else {
                if marks[node].index == Some(marks[node].low) {
                    components.push(pop_component(node, &mut stack, &mut marks));
                }
                if let Some((above, _)) = path.last() {
                    marks[*above].low = marks[*above].low.min(marks[node].low);
                }
                continue;
            };
            path.push((node, edge + 1));
            match marks[to].index {
                None => path.push((to, 0)),
                Some(index) if marks[to].on_stack => marks[node].low = marks[node].low.min(index),
                Some(_) => {}
            }
        }
    }
    components
}

fn pop_component(root: usize, stack: &mut Vec<usize>, marks: &mut [NodeMark]) -> Vec<usize> {
    let mut component = Vec::new();
    while let Some(node) = stack.pop() {
        marks[node].on_stack = false;
        component.push(node);
        if node == root {
            break;
        }
    }
    component.sort_unstable();
    component
}

/// The shortest way from the first node of a component back to it.
fn way_round(component: &[usize], edges: &[Vec<usize>]) -> Vec<usize> {
    let Some(&first) = component.first() else { return Vec::new() };
    let mut from: BTreeMap<usize, usize> = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([first]);
    while let Some(node) = queue.pop_front() {
        for &to in edges[node].iter().filter(|to| component.binary_search(to).is_ok()) {
            if to == first {
                let mut way = vec![first, node];
                let mut at = node;
                while let Some(&before) = from.get(&at) {
                    way.push(before);
                    at = before;
                }
                way.reverse();
                return way;
            }
            if let std::collections::btree_map::Entry::Vacant(free) = from.entry(to) {
                free.insert(node);
                queue.push_back(to);
            }
        }
    }
    Vec::new()
}
