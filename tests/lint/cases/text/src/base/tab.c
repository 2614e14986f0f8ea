	int x;
