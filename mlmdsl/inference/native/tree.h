/* `inference/tree.py` for one chain at a time: the same state, the same decisions, work only where this leaf needs it.

   A chain's steps depend on no other chain, so a thread takes its chains through all steps of a call. */

#define MAX_ENERGY_ERROR 1000.0
#define COLUMNS 7

/* The fields of `tree.State`, in its order: all chains' arrays. */
struct state {
    real *edges, *step;
    int64_t *size, *leaf;
    real *checkpoints, *tree_momentum, *span_momentum, *tree_proposal, *span_proposal;
    real *tree_weight, *span_weight, *start_energy, *acceptance, *leapfrogs;
};

struct run {
    kernel gradient;
    void *const *constant;
    char *work;
    int64_t work_bytes, threads, count, chains, dim, levels, max_size, dense;
    double step_size;
    const real *factor;
    struct state all;
    const real *momentum, *exponential, *direction;
    uint8_t *finished;
    real *rows;
    real *scratch;
};

static real dot(int64_t n, const real *restrict a, const real *restrict b)
{
    real total = 0;
#pragma omp simd reduction(+:total)
    for (int64_t i = 0; i < n; i++) total += a[i] * b[i];
    return total;
}

/* Whether a·(Σ cₖ vₖ) is positive at both ends: a span whose momenta sum to c·v goes on straight. */
static int straight(int64_t n, const real *first, const real *last, const real *sum)
{
    return dot(n, first, sum) > 0 && dot(n, last, sum) > 0;
}

/* q = L x, and ∂U/∂x = Lᵀ ∂U/∂q, for L a diagonal or a lower triangle. */
static void position(const struct run *r, const real *restrict x, real *restrict q)
{
    int64_t n = r->dim;
    if (r->dense)
        for (int64_t i = 0; i < n; i++) q[i] = dot(i + 1, r->factor + i * n, x);
    else
        for (int64_t i = 0; i < n; i++) q[i] = r->factor[i] * x[i];
}

static void pulled(const struct run *r, const real *restrict g, real *restrict slope)
{
    int64_t n = r->dim;
    if (!r->dense) {
        for (int64_t i = 0; i < n; i++) slope[i] = r->factor[i] * g[i];
        return;
    }
    memset(slope, 0, n * sizeof *slope);
    for (int64_t i = 0; i < n; i++) {
        const real *row = r->factor + i * n;
        for (int64_t j = 0; j <= i; j++) slope[j] += row[j] * g[i];
    }
}

/* Whether a subtree that this leaf closes has turned. `total`: the span's momentum sum, this leaf included. */
static int turned_within(int64_t n, int64_t leaf, const real *checkpoints, const real *total, const real *p, real *sum)
{
    int64_t level = __builtin_popcountll(leaf >> 1), closed = __builtin_ctzll(leaf + 1);
    for (int64_t l = level; l > level - closed; l--) {
        const real *before = checkpoints + 3 * n * l, *first = before + n;
        for (int64_t i = 0; i < n; i++) sum[i] = total[i] - before[i];
        if (!straight(n, first, p, sum)) return 1;
        if (l == level) continue;
        const real *half = before + 3 * n, *middle = half + n, *previous = middle + n;
        for (int64_t i = 0; i < n; i++) sum[i] = half[i] + middle[i] - before[i];
        if (!straight(n, first, middle, sum)) return 1;
        for (int64_t i = 0; i < n; i++) sum[i] = total[i] - half[i] + previous[i];
        if (!straight(n, previous, p, sum)) return 1;
    }
    return 0;
}

/* Whether the old tree and the new subtree, taken together, have turned. */
static int turned_across(
    int64_t n, const real *tree, const real *span, const real *far, const real *opening, const real *p, real *sum)
{
    const real *first = opening + n, *previous = first + n;
    for (int64_t i = 0; i < n; i++) sum[i] = tree[i] + span[i];
    if (!straight(n, far, p, sum)) return 1;
    for (int64_t i = 0; i < n; i++) sum[i] = tree[i] + first[i];
    if (!straight(n, far, first, sum)) return 1;
    for (int64_t i = 0; i < n; i++) sum[i] = span[i] + previous[i];
    return !straight(n, previous, p, sum);
}

static void advance(const struct run *r, int64_t chain, int64_t at, char *work, real *scratch)
{
    const struct state *s = &r->all;
    int64_t n = r->dim, width = 2 + 2 * n;
    size_t vector = n * sizeof(real);
    real *x = scratch, *p = x + n, *g = p + n, *q = g + n, *slope = q + n, *sum = slope + n;
    real step = s->step[chain];
    real *edge = s->edges + ((step > 0) * r->chains + chain) * 3 * n;
    real *far = s->edges + ((step <= 0) * r->chains + chain) * 3 * n;
    real *checkpoints = s->checkpoints + chain * r->levels * 3 * n;
    real *tree = s->tree_momentum + chain * n, *span = s->span_momentum + chain * n;
    real *kept = s->tree_proposal + chain * width, *candidate = s->span_proposal + chain * width;
    const real *chance = r->exponential + at * 2 * r->chains + chain;
    int64_t leaf = s->leaf[chain], size = s->size[chain];

    /* half a kick, a drift, half a kick */
    for (int64_t i = 0; i < n; i++) p[i] = edge[n + i] - (real)0.5 * step * edge[2 * n + i];
    for (int64_t i = 0; i < n; i++) x[i] = edge[i] + step * p[i];
    real potential;
    position(r, x, q);
    void *in = q, *out[2] = {slope, &potential};
    r->gradient(&in, out, r->constant, work);
    pulled(r, slope, g);
    for (int64_t i = 0; i < n; i++) p[i] -= (real)0.5 * step * g[i];
    real energy = potential + (real)0.5 * dot(n, p, p);

    /* the leaf in its span */
    double error = energy - s->start_energy[chain];
    if (!isfinite(error)) error = INFINITY;
    int diverging = error > MAX_ENERGY_ERROR;
    real acceptance = s->acceptance[chain] += exp(-(error > 0 ? error : 0));
    real leapfrogs = s->leapfrogs[chain] += 1;
    double weight = s->span_weight[chain] = logaddexp(s->span_weight[chain], -error);
    if (-error - weight > -chance[0]) {
        candidate[0] = potential;
        candidate[1] = energy;
        memcpy(candidate + 2, x, vector);
        memcpy(candidate + 2 + n, g, vector);
    }
    if (leaf % 2 == 0) {
        real *opened = checkpoints + 3 * n * __builtin_popcountll(leaf >> 1);
        memcpy(opened, span, vector);
        memcpy(opened + n, p, vector);
        memcpy(opened + 2 * n, edge + n, vector);
    }
    for (int64_t i = 0; i < n; i++) span[i] += p[i];
    int stopped = diverging || (leaf % 2 && turned_within(n, leaf, checkpoints, span, p, sum));
    int merged = leaf + 1 == size && !stopped, turned = 0;
    memcpy(edge, x, vector);
    memcpy(edge + n, p, vector);
    memcpy(edge + 2 * n, g, vector);

    /* the span in the tree */
    if (merged) {
        if (weight - s->tree_weight[chain] > -chance[r->chains]) memcpy(kept, candidate, width * sizeof(real));
        turned = turned_across(n, tree, span, far + n, checkpoints, p, sum);
        for (int64_t i = 0; i < n; i++) tree[i] += span[i];
        s->tree_weight[chain] = logaddexp(s->tree_weight[chain], weight);
        size *= 2;
    }
    int finished = stopped || (merged && (turned || size >= r->max_size));
    r->finished[at * r->chains + chain] = finished;
    s->leaf[chain] = leaf + 1;
    s->size[chain] = size;
    if (!finished && !merged) return;

    /* the next doubling, or the next transition */
    real ahead = r->direction[at * r->chains + chain];
    s->leaf[chain] = 0;
    s->span_weight[chain] = -INFINITY;
    memset(span, 0, vector);
    s->step[chain] = ahead * (finished ? (real)r->step_size : step > 0 ? step : -step);
    if (!finished) return;
    real *row = r->rows + (at * r->chains + chain) * (COLUMNS - 2 + width);
    row[0] = acceptance / leapfrogs;
    row[1] = leapfrogs;
    row[2] = size;
    row[3] = diverging;
    row[4] = step > 0 ? step : -step;
    memcpy(row + COLUMNS - 2, kept, width * sizeof(real));
    const real *fresh = r->momentum + (at * r->chains + chain) * n;
    memcpy(tree, fresh, vector);
    kept[1] = s->start_energy[chain] = kept[0] + (real)0.5 * dot(n, fresh, fresh);
    for (int64_t side = 0; side < 2; side++) {
        real *end = s->edges + (side * r->chains + chain) * 3 * n;
        memcpy(end, kept + 2, vector);
        memcpy(end + n, fresh, vector);
        memcpy(end + 2 * n, kept + 2 + n, vector);
    }
    s->size[chain] = 1;
    s->tree_weight[chain] = s->acceptance[chain] = s->leapfrogs[chain] = 0;
}

static void own_chains(void *given, int64_t first, int64_t threads)
{
    struct run *r = given;
    for (int64_t chain = first; chain < r->chains; chain += threads)
        for (int64_t at = 0; at < r->count; at++)
            advance(r, chain, at, r->work + first * r->work_bytes, r->scratch + first * 6 * r->dim);
}

void steps(struct run *r) { shared(own_chains, r, r->threads < r->chains ? r->threads : r->chains); }
