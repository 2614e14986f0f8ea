int x;
