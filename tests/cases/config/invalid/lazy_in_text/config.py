_base_ = './lazies.py'
