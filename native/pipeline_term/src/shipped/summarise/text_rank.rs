//! `TextRank` for sentences, after R. Mihalcea and P. Tarau, "Bringing Order into Texts", EMNLP 2004, pages
//! 404-411.
//!
//! Sentences are the vertices of a graph. An edge joins two that have words in common, weighted by the number
//! of those words over the sum of the logarithms of the two lengths, so that long sentences are not favoured.
//! A sentence's score is the time that a random walker, who follows edges by weight, spends on it:
//!
//! ```text
//! score(i) = (1 - d) + d * sum over neighbours j of  weight(j, i) / (sum of weights of j) * score(j)
//! ```
//!
//! The sentences with the highest scores are the summary, in the order in which they stand in the text.

/// The paper's damping factor: the chance that the walker follows an edge and does not jump anywhere.
const DAMPING: f64 = 0.85;
/// Iteration ends when no score changes by more than this, the paper's threshold.
const TOLERANCE: f64 = 0.0001;
/// It converges in some 30 rounds; the bound is for the unforeseen.
const MAX_ROUNDS: usize = 100;
/// How many sentences are compared with each other at once: the work grows with the square.
const MAX_COMPARED: usize = 1000;

/// The places of the `count` sentences that score highest, in ascending order; of equal ones the earlier.
///
/// Each sentence is given as its distinct words in ascending order. In a text of more than 1,000 sentences
/// those that lead in each run of 1,000 are compared again.
pub(super) fn most_central(sentences: &[&[u32]], count: usize) -> Vec<usize> {
    let mut remaining: Vec<usize> = (0..sentences.len()).collect();
    // Each round leaves at most `count` of each run, fewer than half of it as long as a summary is one.
    while remaining.len() > MAX_COMPARED && count <= MAX_COMPARED / 2 {
        remaining = remaining
            .chunks(MAX_COMPARED)
            .flat_map(|run| leaders(sentences, run, count))
            .collect();
    }
    leaders(sentences, &remaining, count)
}

/// The `count` of `places` that score highest among them, in ascending order.
fn leaders(sentences: &[&[u32]], places: &[usize], count: usize) -> Vec<usize> {
    if places.len() <= count {
        return places.to_vec();
    }
    let compared: Vec<&[u32]> = places.iter().map(|&place| sentences[place]).collect();
    let scores = scores(&compared);
    let mut ranked: Vec<usize> = (0..places.len()).collect();
    ranked.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    let mut chosen: Vec<usize> = ranked
        .into_iter()
        .take(count)
        .map(|index| places[index])
        .collect();
    chosen.sort_unstable();
    chosen
}

/// The score of each sentence.
fn scores(sentences: &[&[u32]]) -> Vec<f64> {
    let edges = edges(sentences);
    let totals: Vec<f64> = edges
        .iter()
        .map(|edges| edges.iter().map(|(_, weight)| weight).sum())
        .collect();
    let mut scores = vec![1.0; sentences.len()];
    for _ in 0..MAX_ROUNDS {
        let next: Vec<f64> = edges
            .iter()
            .map(|edges| {
                let received: f64 = edges
                    .iter()
                    .map(|&(from, weight)| weight / totals[from] * scores[from])
                    .sum();
                (1.0 - DAMPING) + DAMPING * received
            })
            .collect();
        let change = scores
            .iter()
            .zip(&next)
            .map(|(old, new)| (old - new).abs())
            .fold(0.0, f64::max);
        scores = next;
        if change <= TOLERANCE {
            break;
        }
    }
    scores
}

/// For each sentence, the others that it has words in common with, and the weights.
fn edges(sentences: &[&[u32]]) -> Vec<Vec<(usize, f64)>> {
    let mut edges = vec![Vec::new(); sentences.len()];
    for (i, first) in sentences.iter().enumerate() {
        for (j, second) in sentences.iter().enumerate().skip(i + 1) {
            let weight = similarity(first, second);
            if weight > 0.0 {
                edges[i].push((j, weight));
                edges[j].push((i, weight));
            }
        }
    }
    edges
}

/// Words in common over the sum of the logarithms of the lengths; 0 for two sentences of one word, where that
/// sum is.
#[allow(
    clippy::cast_precision_loss,
    reason = "sentences have fewer than 2^52 words"
)]
fn similarity(first: &[u32], second: &[u32]) -> f64 {
    let lengths = (first.len().max(1) as f64).ln() + (second.len().max(1) as f64).ln();
    if lengths > 0.0 {
        in_common(first, second) as f64 / lengths
    } else {
        0.0
    }
}

/// How many numbers two ascending lists share.
fn in_common(mut first: &[u32], mut second: &[u32]) -> usize {
    let mut count = 0;
    while let ([a, rest_of_first @ ..], [b, rest_of_second @ ..]) = (first, second) {
        count += usize::from(a == b);
        if a <= b {
            first = rest_of_first;
        }
        if b <= a {
            second = rest_of_second;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::{MAX_COMPARED, in_common, most_central, scores, similarity};

    #[test]
    fn words_in_common_are_counted_once() {
        assert_eq!(in_common(&[1, 3, 5], &[2, 3, 5, 7]), 2);
        assert_eq!(in_common(&[], &[1]), 0);
    }

    #[test]
    fn similarity_is_the_overlap_over_the_logarithms_of_the_lengths() {
        let expected = 2.0 / (3.0_f64.ln() + 4.0_f64.ln());
        assert!((similarity(&[1, 3, 5], &[2, 3, 5, 7]) - expected).abs() < 1e-12);
        assert!(similarity(&[1], &[1]).abs() < f64::EPSILON);
    }

    #[test]
    fn the_centre_of_a_star_scores_highest_and_a_stranger_lowest() {
        let scores = scores(&[&[1, 2], &[1, 2, 3, 4, 5, 6], &[3, 4], &[5, 6], &[9, 10]]);
        let best = (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        assert_eq!(best, Some(1));
        assert!(
            (scores[4] - 0.15).abs() < 1e-9,
            "a sentence without edges has what a jump gives it"
        );
    }

    #[test]
    fn scores_satisfy_the_equation() {
        // A path a - b - c with equal weights: b = 0.15 + 0.85 * 2a, a = 0.15 + 0.85 * b / 2.
        let scores = scores(&[&[1, 2], &[2, 3], &[3, 4]]);
        let b = (0.15 + 1.7 * 0.15) / (1.0 - 0.85 * 0.85);
        assert!((scores[1] - b).abs() < 0.001, "{scores:?}");
        assert!((scores[0] - scores[2]).abs() < 1e-9);
    }

    #[test]
    fn equal_sentences_are_taken_from_the_front_and_in_order() {
        assert_eq!(most_central(&[&[1, 2], &[1, 2], &[1, 2]], 2), [0, 1]);
    }

    #[test]
    fn a_long_text_is_ranked_in_rounds() {
        let plain: Vec<Vec<u32>> = (0..2500_u32)
            .map(|n| vec![10 * n + 10, 10 * n + 11])
            .collect();
        let mut sentences: Vec<&[u32]> = plain.iter().map(Vec::as_slice).collect();
        for place in [7, 1500, 2400] {
            sentences[place] = &[1, 2, 3];
            sentences[place + 1] = &[1, 2, 4];
        }
        assert!(sentences.len() > MAX_COMPARED);
        assert_eq!(most_central(&sentences, 6), [7, 8, 1500, 1501, 2400, 2401]);
    }
}
