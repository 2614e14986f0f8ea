/* Reading .safetensors as a container among others. */
#ifndef MMI_FILEIO_SAFETENSORS_H
#define MMI_FILEIO_SAFETENSORS_H

#include "fileio/pth.h"

/* True if a file of that name and content can only be meant as .safetensors. */
bool mmi_is_safetensors(const char *path, const unsigned char *data, size_t size);
/* The tensors as a dict; yours. */
mm_value *mmi_safetensors_read(mmi_pth_file *file, const mm_pth_read_args *args);
/* The format's name of a dtype, "BF16"; NULL if there is none. */
const char *mmi_safetensors_dtype(mm_dtype dtype);

#endif
