/* One call for many steps: where each chain moves to, its gradient there, and what follows from it. */

void steps(
    kernel gradient, void *const *gradient_constant, char *gradient_work, int64_t work_bytes, int64_t threads,
    int64_t chains, const int64_t *row_bytes, char *position, char *slope, char *potential,
    void *const *drift_constant, char *drift_work, void *const *settle_constant, char *settle_work,
    int64_t count, int64_t fields, void **state, void **spare,
    int64_t changing, void *const *noise, const int64_t *noise_bytes, int64_t staying, void *const *fixed,
    int64_t kept, void *const *record, const int64_t *record_bytes)
{
    void *in[64], *out[64];
    for (int64_t step = 0; step < count; step++) {
        memcpy(in, state, fields * sizeof *in);
        in[fields] = fixed[staying - 1];
        out[0] = position;
        drift(in, out, drift_constant, drift_work);

        evaluate(gradient, gradient_constant, gradient_work, work_bytes, threads, chains, row_bytes, position, slope, potential);

        int64_t n = fields;
        for (int64_t k = 0; k < changing; k++) in[n++] = (char *)noise[k] + step * noise_bytes[k];
        for (int64_t k = 0; k < staying; k++) in[n++] = fixed[k];
        in[n++] = slope;
        in[n++] = potential;
        memcpy(out, spare, fields * sizeof *out);
        for (int64_t k = 0; k < kept; k++) out[fields + k] = (char *)record[k] + step * record_bytes[k];
        settle(in, out, settle_constant, settle_work);

        void **other = state;
        state = spare;
        spare = other;
    }
}
