#include <stdio.h>
#include <unistd.h>
#include <sys/stat.h>
  #  include <pthread.h>
