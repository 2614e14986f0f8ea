#  pragma   omp simd
