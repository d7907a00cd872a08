/* The gradient at many rows, shared among threads: row r goes to thread r mod `threads`, so results do not depend on how many. */
#include <pthread.h>

#define MOST_THREADS 64

struct share {
    kernel gradient;
    void *const *constant;
    char *work;
    int64_t first, threads, rows;
    const int64_t *row_bytes;
    char *q, *g, *u;
};

static void *part(void *given)
{
    struct share *own = given;
    for (int64_t row = own->first; row < own->rows; row += own->threads) {
        void *in = own->q + row * own->row_bytes[0];
        void *out[2] = {own->g + row * own->row_bytes[1], own->u + row * own->row_bytes[2]};
        own->gradient(&in, out, own->constant, own->work);
    }
    return 0;
}

void evaluate(
    kernel gradient, void *const *constant, char *work, int64_t work_bytes, int64_t threads,
    int64_t rows, const int64_t *row_bytes, char *q, char *g, char *u)
{
    struct share shares[MOST_THREADS];
    pthread_t others[MOST_THREADS];
    int started[MOST_THREADS];
    if (threads > rows) threads = rows;
    for (int64_t k = threads - 1; k >= 0; k--) {
        shares[k] = (struct share){gradient, constant, work + k * work_bytes, k, threads, rows, row_bytes, q, g, u};
        started[k] = k > 0 && pthread_create(&others[k], 0, part, &shares[k]) == 0;
        if (!started[k]) part(&shares[k]);
    }
    for (int64_t k = 1; k < threads; k++)
        if (started[k]) pthread_join(others[k], 0);
}
