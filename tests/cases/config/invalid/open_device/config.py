x = open("/dev/zero").read()
