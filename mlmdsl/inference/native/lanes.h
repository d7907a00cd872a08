/* Several chains at once: each number of a chain lies LANES times in a row, once for every chain of a group.

   EACH runs a statement for every lane, and the compiler makes one instruction of it. OF(x) declares a local number of
   each lane, MY(x) is this lane's. With one lane all of that vanishes, and SUMMING lets a sum be taken in any order, so
   that the loops of the model are what is vectorised. */
#if LANES == 1
enum { lane = 0 };
#define EACH
#define LANE(buffer, place) buffer[place]
#define OF(x) x
#define MY(x) x
#define PRAGMA(text) _Pragma(#text)
#define SUMMING(x) PRAGMA(omp simd reduction(+:x))
#else
#define EACH _Pragma("omp simd") for (int64_t lane = 0; lane < LANES; lane++)
#define LANE(buffer, place) buffer[(place) * LANES + lane]
#define OF(x) x[LANES] __attribute__((aligned(64)))
#define MY(x) x[lane]
#define SUMMING(x) _Pragma("GCC unroll 8")
#endif
