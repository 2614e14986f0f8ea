_base_ = '../base_folder'
