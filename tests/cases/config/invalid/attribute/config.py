s = 'a'.uper()
