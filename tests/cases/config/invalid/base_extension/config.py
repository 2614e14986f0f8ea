_base_ = './expected.txt'
