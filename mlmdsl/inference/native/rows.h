/* The gradient at many rows. Row r goes to thread r mod `threads`, so results do not depend on how many there are. */

struct rows {
    kernel gradient;
    void *const *constant;
    char *work;
    int64_t work_bytes, rows, dim, item_bytes;
    char *q, *g, *u;
};

static void own_rows(void *given, int64_t first, int64_t threads)
{
    struct rows *r = given;
    for (int64_t row = first; row < r->rows; row += threads) {
        int64_t skipped = row * r->dim * r->item_bytes;
        void *in = r->q + skipped, *out[2] = {r->g + skipped, r->u + row * r->item_bytes};
        r->gradient(&in, out, r->constant, r->work + first * r->work_bytes);
    }
}

void evaluate(
    kernel gradient, void *const *constant, char *work, int64_t work_bytes, int64_t threads,
    int64_t rows, int64_t dim, int64_t item_bytes, char *q, char *g, char *u)
{
    struct rows all = {gradient, constant, work, work_bytes, rows, dim, item_bytes, q, g, u};
    shared(own_rows, &all, threads < rows ? threads : rows);
}
