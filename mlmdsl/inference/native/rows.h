/* The gradient at many rows, a group of LANES at a time; what is left of the last group's lanes repeats the last row.
   Group r goes to thread r mod `threads`, so results do not depend on how many there are. */

struct rows {
    kernel gradient;
    void *const *constant;
    char *work;
    int64_t work_bytes, rows, dim;
    const real *q;
    real *g, *u;
};

static void own_rows(void *given, int64_t mine, int64_t threads)
{
    struct rows *r = given;
    char *work = r->work + mine * r->work_bytes;
    int64_t n = r->dim;
    real *q = (real *)work, *g = q + n * LANES, *u = g + n * LANES;
    for (int64_t first = mine * LANES; first < r->rows; first += threads * LANES) {
        for (int64_t lane = 0; lane < LANES; lane++) {
            const real *row = r->q + (first + lane < r->rows ? first + lane : r->rows - 1) * n;
            for (int64_t i = 0; i < n; i++) LANE(q, i) = row[i];
        }
        void *in = q, *out[2] = {g, u};
        r->gradient(&in, out, r->constant, work + (2 * n + 1) * LANES * sizeof(real));
        for (int64_t lane = 0; lane < LANES && first + lane < r->rows; lane++) {
            real *row = r->g + (first + lane) * n;
            for (int64_t i = 0; i < n; i++) row[i] = LANE(g, i);
            r->u[first + lane] = LANE(u, 0);
        }
    }
}

void evaluate(
    kernel gradient, void *const *constant, char *work, int64_t work_bytes, int64_t threads,
    int64_t rows, int64_t dim, const real *q, real *g, real *u)
{
    struct rows all = {gradient, constant, work, work_bytes, rows, dim, q, g, u};
    shared(own_rows, &all, threads);
}
