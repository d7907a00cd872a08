/* One piece of work shared among threads that are started for it. */
#include <pthread.h>

#define MOST_THREADS 64

typedef void (*part)(void *all, int64_t first, int64_t threads);
struct share { part part; void *all; int64_t first, threads; };

static void *begin(void *given)
{
    struct share *own = given;
    own->part(own->all, own->first, own->threads);
    return 0;
}

static void shared(part part, void *all, int64_t threads)
{
    struct share shares[MOST_THREADS];
    pthread_t others[MOST_THREADS];
    int started[MOST_THREADS];
    for (int64_t k = threads - 1; k >= 0; k--) {
        shares[k] = (struct share){part, all, k, threads};
        started[k] = k > 0 && pthread_create(&others[k], 0, begin, &shares[k]) == 0;
        if (!started[k]) begin(&shares[k]);
    }
    for (int64_t k = 1; k < threads; k++)
        if (started[k]) pthread_join(others[k], 0);
}
