/* `inference/tree.py` for a group of LANES chains at a time: the same state, the same decisions, work only where this
   leaf needs it. The leapfrog runs in all lanes together, what follows from the new leaf chain by chain.

   A chain's steps depend on no other chain, so a thread takes its groups through all steps of a call. The last group's
   lanes that are left over repeat the last chain, and what they find is dropped. */

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
    int64_t work_bytes, threads, count, chains, dim, levels, dense;
    const real *step_size; /* of each chain, as max_size */
    const int64_t *max_size;
    const real *factor;
    struct state all;
    const uint64_t *keys;
    uint8_t *finished;
    real *rows;
    real *scratch;
};

/* The new ends of a group's trajectories: (D, lane), and a number for each lane. */
struct leaf {
    real *x, *p, *g, *q, *slope;
    real potential[LANES], energy[LANES], acceptance[LANES], weight[LANES];
    int64_t taken[LANES], diverging[LANES];
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
    for (int64_t i = 0; i < n; i++) {
        real OF(total);
        const real *row = r->factor + i * n;
        if (r->dense) {
            EACH MY(total) = 0;
            SUMMING(total)
            for (int64_t j = 0; j <= i; j++) EACH MY(total) += row[j] * LANE(x, j);
        } else
            EACH MY(total) = r->factor[i] * LANE(x, i);
        EACH LANE(q, i) = MY(total);
    }
}

static void pulled(const struct run *r, const real *restrict g, real *restrict slope)
{
    int64_t n = r->dim;
    for (int64_t i = 0; i < n; i++) {
        if (!r->dense) {
            EACH LANE(slope, i) = r->factor[i] * LANE(g, i);
            continue;
        }
        const real *row = r->factor + i * n;
        for (int64_t j = 0; j < i; j++) EACH LANE(slope, j) += row[j] * LANE(g, i);
        EACH LANE(slope, i) = row[i] * LANE(g, i);
    }
}

/* The chain in a lane of the group that begins at `first`. */
static inline int64_t chain_in(const struct run *r, int64_t first, int64_t lane)
{
    return first + lane < r->chains ? first + lane : r->chains - 1;
}

/* The end that a chain's direction points to (`ahead`), or the other one. */
static inline real *edge_of(const struct run *r, int64_t chain, int ahead)
{
    return r->all.edges + (ahead * r->chains + chain) * 3 * r->dim;
}

/* Half a kick, a drift, half a kick; and what the new leaf weighs in its span. */
static void leapfrog(const struct run *r, int64_t first, int64_t at, char *work, struct leaf *leaf)
{
    const struct state *s = &r->all;
    int64_t n = r->dim;
    real *restrict x = leaf->x, *restrict p = leaf->p, *restrict g = leaf->g;
    real OF(step), OF(kinetic);
    double OF(error), OF(chance), OF(before);
    uint64_t OF(key);
    for (int64_t lane = 0; lane < LANES; lane++) {
        int64_t chain = chain_in(r, first, lane);
        const real *edge = edge_of(r, chain, s->step[chain] > 0);
        for (int64_t i = 0; i < n; i++) {
            LANE(x, i) = edge[i];
            LANE(p, i) = edge[n + i];
            LANE(g, i) = edge[2 * n + i];
        }
        MY(step) = s->step[chain];
        MY(key) = r->keys[chain];
        MY(error) = s->start_energy[chain];
        MY(before) = s->span_weight[chain];
    }
    for (int64_t i = 0; i < n; i++) EACH LANE(p, i) -= (real)0.5 * MY(step) * LANE(g, i);
    for (int64_t i = 0; i < n; i++) EACH LANE(x, i) += MY(step) * LANE(p, i);
    position(r, x, leaf->q);
    void *in = leaf->q, *out[2] = {leaf->slope, leaf->potential};
    r->gradient(&in, out, r->constant, work);
    pulled(r, leaf->slope, g);
    for (int64_t i = 0; i < n; i++) EACH LANE(p, i) -= (real)0.5 * MY(step) * LANE(g, i);
    EACH MY(kinetic) = 0;
    SUMMING(kinetic)
    for (int64_t i = 0; i < n; i++) EACH MY(kinetic) += LANE(p, i) * LANE(p, i);
    EACH {
        real energy = LANE(leaf->potential, 0) + (real)0.5 * MY(kinetic);
        double rise = energy - MY(error);
        MY(error) = isfinite(rise) ? rise : INFINITY;
        LANE(leaf->energy, 0) = energy;
        LANE(leaf->diverging, 0) = MY(error) > MAX_ENERGY_ERROR;
    }
    EACH LANE(leaf->acceptance, 0) = exp(-larger(MY(error), 0));
    EACH MY(chance) = exponential(MY(key), at * (2 * n + 3));
    EACH {
        real weight = logaddexp(MY(before), -MY(error));
        LANE(leaf->weight, 0) = weight;
        LANE(leaf->taken, 0) = -MY(error) - weight > -MY(chance);
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

/* The root of a chain's next tree, where its proposal is. */
static void start(const struct run *r, int64_t chain, uint64_t own)
{
    const struct state *s = &r->all;
    int64_t n = r->dim;
    size_t vector = n * sizeof(real);
    real *kept = s->tree_proposal + chain * (2 + 2 * n), *tree = s->tree_momentum + chain * n;
    normals(r->keys[chain], own + 3, n, tree);
    kept[1] = s->start_energy[chain] = kept[0] + (real)0.5 * dot(n, tree, tree);
    for (int side = 0; side < 2; side++) {
        real *end = edge_of(r, chain, side);
        memcpy(end, kept + 2, vector);
        memcpy(end + n, tree, vector);
        memcpy(end + 2 * n, kept + 2 + n, vector);
    }
    s->size[chain] = 1;
    s->tree_weight[chain] = s->acceptance[chain] = s->leapfrogs[chain] = 0;
}

/* Add the leaf in `lane` to the chain's tree, and do what follows from it. */
static void settle(const struct run *r, int64_t chain, int64_t at, const struct leaf *new, int64_t lane, real *sum)
{
    const struct state *s = &r->all;
    int64_t n = r->dim, width = 2 + 2 * n;
    size_t vector = n * sizeof(real);
    real step = s->step[chain];
    real *edge = edge_of(r, chain, step > 0), *far = edge_of(r, chain, step <= 0);
    real *x = edge, *p = edge + n, *g = edge + 2 * n;
    real *checkpoints = s->checkpoints + chain * r->levels * 3 * n;
    real *tree = s->tree_momentum + chain * n, *span = s->span_momentum + chain * n;
    real *kept = s->tree_proposal + chain * width, *candidate = s->span_proposal + chain * width;
    int64_t leaf = s->leaf[chain], size = s->size[chain];
    uint64_t own = at * (2 * n + 3);

    /* the leaf in its span */
    real acceptance = s->acceptance[chain] += new->acceptance[lane];
    real leapfrogs = s->leapfrogs[chain] += 1;
    double weight = s->span_weight[chain] = new->weight[lane];
    int opens = leaf % 2 == 0;
    real *opened = checkpoints + 3 * n * __builtin_popcountll(leaf >> 1);
    if (opens) {
        memcpy(opened, span, vector);
        memcpy(opened + 2 * n, p, vector);
    }
    for (int64_t i = 0; i < n; i++) {
        x[i] = LANE(new->x, i);
        p[i] = LANE(new->p, i);
        g[i] = LANE(new->g, i);
        span[i] += p[i];
    }
    if (opens) memcpy(opened + n, p, vector);
    if (new->taken[lane]) {
        candidate[0] = new->potential[lane];
        candidate[1] = new->energy[lane];
        memcpy(candidate + 2, x, vector);
        memcpy(candidate + 2 + n, g, vector);
    }
    int stopped = new->diverging[lane] || (!opens && turned_within(n, leaf, checkpoints, span, p, sum));
    int merged = leaf + 1 == size && !stopped, turned = 0;

    /* the span in the tree */
    if (merged) {
        if (weight - s->tree_weight[chain] > -exponential(r->keys[chain], own + 1))
            memcpy(kept, candidate, width * sizeof(real));
        turned = turned_across(n, tree, span, far + n, checkpoints, p, sum);
        for (int64_t i = 0; i < n; i++) tree[i] += span[i];
        s->tree_weight[chain] = logaddexp(s->tree_weight[chain], weight);
        size *= 2;
    }
    int finished = stopped || (merged && (turned || size >= r->max_size[chain]));
    r->finished[at * r->chains + chain] = finished;
    s->leaf[chain] = leaf + 1;
    s->size[chain] = size;
    if (!finished && !merged) return;

    /* the next doubling, or the next transition */
    s->leaf[chain] = 0;
    s->span_weight[chain] = -INFINITY;
    memset(span, 0, vector);
    real length = finished ? r->step_size[chain] : step > 0 ? step : -step;
    s->step[chain] = direction(r->keys[chain], own + 2) * length;
    if (!finished) return;
    real *row = r->rows + (at * r->chains + chain) * (COLUMNS - 2 + width);
    row[0] = acceptance / leapfrogs;
    row[1] = leapfrogs;
    row[2] = size;
    row[3] = new->diverging[lane];
    row[4] = step > 0 ? step : -step;
    memcpy(row + COLUMNS - 2, kept, width * sizeof(real));
    start(r, chain, own);
}

static void own_groups(void *given, int64_t mine, int64_t threads)
{
    const struct run *r = given;
    char *work = r->work + mine * r->work_bytes;
    int64_t vector = r->dim * LANES;
    real *scratch = r->scratch + mine * 6 * vector, *sum = scratch + 5 * vector;
    struct leaf leaf = {scratch, scratch + vector, scratch + 2 * vector, scratch + 3 * vector, scratch + 4 * vector};
    for (int64_t first = mine * LANES; first < r->chains; first += threads * LANES)
        for (int64_t at = 0; at < r->count; at++) {
            leapfrog(r, first, at, work, &leaf);
            for (int64_t lane = 0; lane < LANES && first + lane < r->chains; lane++)
                settle(r, first + lane, at, &leaf, lane, sum);
        }
}

void steps(struct run *r) { shared(own_groups, r, r->threads); }
