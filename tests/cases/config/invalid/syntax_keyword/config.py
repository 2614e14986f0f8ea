class = 'a'
