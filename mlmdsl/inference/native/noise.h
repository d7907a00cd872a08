/* What chance decides, from one random key of 64 bits for each chain and call.

   Number k of a key is output k of splitmix64 seeded by it (Steele, Lea & Flood 2014), so a chain draws only what a
   leaf needs, and threads cannot change what that is. Step t of a call in n dimensions owns the numbers from
   t(2n + 3): two exponentials, a direction, and two for each momentum (Box & Muller 1958). */

static inline uint64_t bits(uint64_t key, uint64_t k)
{
    uint64_t z = key + (k + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* on (0, 1) */
static inline double uniform(uint64_t key, uint64_t k) { return ((double)(int64_t)(bits(key, k) >> 11) + 0.5) * 0x1p-53; }

static inline double exponential(uint64_t key, uint64_t k) { return -log(uniform(key, k)); }

static inline double direction(uint64_t key, uint64_t k) { return bits(key, k) >> 63 ? 1 : -1; }

static void normals(uint64_t key, uint64_t k, int64_t n, real *restrict out)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        out[i] = sqrt(-2 * log(uniform(key, k + 2 * i))) * cos(2 * M_PI * uniform(key, k + 2 * i + 1));
}
