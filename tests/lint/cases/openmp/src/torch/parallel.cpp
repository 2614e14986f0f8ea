#pragma omp parallel
